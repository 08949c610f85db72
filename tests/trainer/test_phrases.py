"""Captions out of what models answer."""

import pytest

from trainer.phrases import add_trigger, clean


@pytest.mark.parametrize(
    ("said", "caption"),
    [
        ("The image shows a man with a beard.", "a man with a beard."),
        ("This photo depicts a red barn", "a red barn"),
        ("The image is a close-up of a cat's face.", "a close-up of a cat's face."),
        ("In this image we can see two dogs.", "two dogs."),
        ("In the picture, there is a boat", "a boat"),
        ("</s><s>The image shows</s>", "The image shows"),
        ("Sure! Here is a detailed description: A robot in the snow.", "A robot in the snow."),
        ('"A robot in the snow."', "A robot in the snow."),
        ('"Yes" and "no" on two doors', '"Yes" and "no" on two doors'),
        ("**A robot**\n\nin the   snow", "A robot in the snow"),
        ("<think>The image shows a boat?</think>A robot", "A robot"),
        ("a photograph of a lighthouse", "a photograph of a lighthouse"),
        ("Imagery showing nothing", "Imagery showing nothing"),
        ("", ""),
    ],
)
def test_turns_of_phrase_are_taken_off(said, caption):
    assert clean(said) == caption


def test_what_was_cut_off_ends_with_a_sentence():
    assert clean("A dog sits. It is 3.5 years old. Behind it a ho", is_cut=True) == "A dog sits. It is 3.5 years old."
    assert clean("A dog sits behind a ho", is_cut=True) == "A dog sits behind a ho"
    assert clean("A dog sits. A ho") == "A dog sits. A ho"


def test_the_trigger_comes_first_and_once():
    assert add_trigger("A dog in the snow", "sks dog") == "sks dog, a dog in the snow"
    assert add_trigger("The sks dog is here", "sks dog") == "The sks dog is here"
    assert add_trigger("The SKS dog is here", "sks dog") == "sks dog, the SKS dog is here"
    assert add_trigger("asks about dogs", "sks") == "sks, asks about dogs"
    assert add_trigger("NASA's rocket", "(x)") == "(x), NASA's rocket"
    assert add_trigger("a dog", "") == "a dog" and add_trigger("", "sks") == "sks"
