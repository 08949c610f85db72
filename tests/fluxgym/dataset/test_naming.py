"""Names of what arrives: plain, each its own, an image and its caption the same, and the same again the next time."""

import pytest

from fluxgym.dataset.naming import check, find_reason, name_all


def names(*paths: str, taken: tuple[str, ...] = ()) -> list[str]:
    return [name.as_posix() for name in name_all(paths, taken)]


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a.png", "a.png"),
        ("Ma photo!.PNG", "Ma_photo.png"),
        ("../../etc/passwd.png", "passwd.png"),
        ("..\\..\\x.jpg", "x.jpg"),
        ("a\nb\x00c.webp", "a_b_c.webp"),
        (".png.png", "png.png"),
        ("' ; rm -rf *.png", "rm_-rf.png"),
        ("\u202egnp.png", "gnp.png"),
        ("\U0001f600.png", "image.png"),
        ("x" * 300 + ".png", "x" * 80 + ".png"),
        ("x" * 300 + "-masklabel.png", "x" * 80 + "-masklabel.png"),
    ],
)
def test_a_name_becomes_plain(name: str, safe: str) -> None:
    assert names(name) == [safe]
    assert check(safe).as_posix() == safe


def test_a_caption_and_a_mask_are_called_as_their_image() -> None:
    paths = ("x/my cat!.JPG", "x/my cat!.txt", "x/my cat!-masklabel.png")
    assert names(*paths) == ["my_cat.jpg", "my_cat.txt", "my_cat-masklabel.png"]


@pytest.mark.parametrize(
    ("paths", "called"),
    [
        (("Cat.png", "cat.png", "cat.txt"), ["Cat.png", "cat-2.png", "cat-2.txt"]),
        (("a b.png", "a_b.png", "a_b.txt"), ["a_b.png", "a_b-2.png", "a_b-2.txt"]),
        (("\U0001f600.png", "\U0001f602.png", "\U0001f602.txt"), ["image.png", "image-2.png", "image-2.txt"]),
        (("x/1.jpg", "y/1.txt", "y/1.jpg", "x/1.txt"), ["1.jpg", "y_1.txt", "y_1.jpg", "1.txt"]),
        (("cat.PNG", "cat.png"), ["cat.png", "cat-2.png"]),
        (("cat.png", "cat.png"), ["cat.png", "cat-2.png"]),
        (("cat.png", "cat.jpg", "cat.txt"), ["cat.png", "cat.jpg", "cat.txt"]),
    ],
)
def test_no_two_get_one_name_and_no_caption_goes_astray(paths: tuple[str, ...], called: list[str]) -> None:
    assert names(*paths) == called


def test_what_is_taken_is_avoided_by_image_and_caption_alike() -> None:
    assert names("cat.png", "cat.txt", "dog.png", taken=("CAT", "bird")) == ["cat-2.png", "cat-2.txt", "dog.png"]


def test_the_names_do_not_hang_on_the_order() -> None:
    paths = [f"{folder}/{stem}.png" for folder in "abc" for stem in ("1", "\u00e4 b", "A b", "a_b")]
    assert dict(zip(paths, names(*paths), strict=True)) == dict(zip(paths[::-1], names(*paths[::-1]), strict=True))


def test_folders_with_repeats_stay_others_are_left_out() -> None:
    assert names("img/10_sks cat/a.png", "img/10_sks cat/a.txt", "img/5_dog/a.png") == [
        "10_sks_cat/a.png",
        "10_sks_cat/a.txt",
        "5_dog/a.png",
    ]
    assert names("10_cat/a.png", "b.png") == ["a.png", "b.png"], "the trainer would not look into it"
    assert names("deep/er/a.png") == ["a.png"]
    assert check("10_sks_cat/a.png").as_posix() == "10_sks_cat/a.png"


@pytest.mark.parametrize(
    "junk", [".DS_Store", "__MACOSX/a/._x.png", "a/._x.png", "Thumbs.db", "x/desktop.ini", ".hidden/../.x"]
)
def test_what_no_person_put_there_is_not_spoken_of(junk: str) -> None:
    assert find_reason(junk) == ""


def test_other_kinds_are_named() -> None:
    assert all(find_reason(f"x.{kind}") is None for kind in ("png", "JPG", "heic", "txt", "TXT", "caption", "zip"))
    assert "got 'x.exe', expected an image (.png, " in str(find_reason("a/x.exe"))


@pytest.mark.parametrize(
    "name",
    [
        "../a.png",
        "/a.png",
        "a/b.png",
        "a/../b.png",
        "0x_a/b/c.png",
        ".a.png",
        "a b.png",
        "a.exe",
        "",
        "a\\b.png",
        "a.png\0",
        "x/.png",
        "10_a/../a.png",
        "10_a/.a.png",
        "y" * 400 + ".png",
    ],
)
def test_a_name_that_no_plan_gave_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="expected one as the plan gives it"):
        check(name)
