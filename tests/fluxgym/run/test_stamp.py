"""A stamp changes with each write and each replacement, and says where there is no file."""

from fluxgym.run.stamp import stamp_of


def test_it_changes_with_what_is_written_and_what_is_put_in_its_place(tmp_path):
    path, other = tmp_path / "a", tmp_path / "b"
    assert stamp_of(path) == stamp_of(path / "below") == (0, 0, 0)
    path.write_text("one")
    seen = [stamp_of(path)]
    assert stamp_of(path) == seen[0]
    path.write_text("longer")
    seen.append(stamp_of(path))
    other.write_text("longer")
    other.replace(path)
    seen.append(stamp_of(path))
    assert len(set(seen)) == 3
