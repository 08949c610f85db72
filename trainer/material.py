"""What a training learns from, made ready: images split and told of, texts and images encoded, masks read.

Everything is encoded once, texts first, images second, each with nothing else in memory; all processes take their share."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trainer import report
from trainer.buckets import SHOWN, describe_buckets, describe_crops, reaches
from trainer.cache import Crew, cache_latents, cache_texts
from trainer.config import Config, Data
from trainer.data import Material, load_mask, place_of, split_validation
from trainer.dataset import Dataset, Item
from trainer.family import TOKENS, Family, Tensors, Vae
from trainer.feed import Feed, View, show_held_out
from trainer.folder import RunFolder
from trainer.prompts import Picture
from trainer.sample import Sketch


@dataclass(frozen=True)
class Images:
    """What is learned from, what is held out, what is mixed in, and how the steps are shown it."""

    own: list[Item]
    held_out: list[Item]
    ordinary: list[Item]
    feed: Feed


def split_images(config: Config, dataset: Dataset) -> Images:
    own, held_out = split_validation(dataset.images, config.data.validation_images)
    feed = Feed(config.data, own, dataset.regularisation, config.train.seed)
    return Images(own, held_out, dataset.regularisation, feed)


def make_material(
    config: Config, folder: RunFolder, family: Family, images: Images, pictures: Sequence[Picture], crew: Crew | None = None
) -> tuple[Material, list[Sketch], Vae]:
    """Encodes what is not in the cache yet."""
    cache = folder.shared_cache()
    views = [*images.feed.list_all(config.train.epochs), *(show_held_out(config.data, item) for item in images.held_out)]
    drawn = [text for picture in pictures for text in (picture.prompt, picture.negative)]
    texts = cache_texts(family, cache, [*(view.caption for view in views), *drawn], crew)
    warn_of_cut(family, views, texts)
    vae = family.load_vae()
    latents = cache_latents(family, vae, cache, views, crew)
    masked = {(view.item.mask_digest, view.size): view for view in views if view.item.mask}
    masks = {
        place: load_mask(view.item, view.size, latents[place_of(view), view.flipped], config.data.mask_floor)
        for place, view in masked.items()
    }
    sketches = [Sketch(picture, texts[picture.prompt], texts[picture.negative]) for picture in pictures]
    return Material(latents, texts, masks), sketches, vae


# ---- what a person should know ---------------------------------------------------------------------------------------
def tell_images(config: Config, dataset: Dataset, feed: Feed) -> None:
    """Says at which sizes images are learned where these are not all squares, and what is cut off, left out or ignored."""
    for note in dataset.notes:
        report.warn(note)
    sizes = [size for _, size in feed.shown]
    if any(width != height for width, height in sizes) or len(set(sizes)) > 1:
        report.say(f"Sizes: {describe_buckets(sizes)}")
    if cropped := describe_crops(feed.list_crops()):
        report.say(cropped)
    for (resolution, is_smallest), small in find_small(config.data, feed.own).items():
        report.say(describe_small(small, len(feed.own), resolution, is_smallest))
    if masked := sum(item.mask is not None for item in feed.own):
        report.say(f"Masks: {masked} of {len(feed.own)} images have one")
    shown = sum(entry.repeats for entry in feed.sampler.entries)
    filled = feed.sampler.steps_per_epoch * feed.sampler.own_per_batch - shown
    if filled and len(set(sizes)) > 1:
        report.say(
            f"Filled up: {filled} of {shown + filled} places of an epoch repeat an image, so that batches are of one size"
        )


def find_small(data: Data, items: Sequence[Item]) -> dict[tuple[int, bool], list[Item]]:
    """The images that do not reach a resolution which they are to have, by it and whether it is their smallest one."""
    found: dict[tuple[int, bool], list[Item]] = {}
    for item in items:
        own = sorted(item.shape.resolutions or data.resolutions)
        for resolution in own:
            if not reaches(item.shape.size, resolution, not data.buckets):
                found.setdefault((resolution, resolution == own[0]), []).append(item)
    return dict(sorted(found.items()))


def describe_small(small: Sequence[Item], count: int, resolution: int, is_smallest: bool) -> str:
    """One line about images that do not reach a resolution: of the smallest one they get a part, of others nothing."""
    how = "are learned smaller" if is_smallest else "are not learned at it"
    named = sorted(f"{item.path.name} {item.shape.size[0]}x{item.shape.size[1]}" for item in small)
    more = f" and {len(small) - SHOWN} more" if len(small) > SHOWN else ""
    return f"Small: {len(small)} of {count} images do not reach {resolution} px and {how}: {', '.join(named[:SHOWN])}{more}"


def warn_of_cut(family: Family, views: Iterable[View], texts: dict[str, Tensors]) -> None:
    """Says of which captions the end is not learned."""
    limit = family.base.max_sequence_length
    cut = {view.item: view.caption for view in views if texts[view.caption][TOKENS] > limit}
    if cut:
        first, longest = min(item.path for item in cut).name, max(int(texts[caption][TOKENS]) for caption in cut.values())
        report.warn(
            f"captions cut at their end: {len(cut)}, first that of {first}; got up to {longest} tokens, "
            f"expected at most {limit} (model.max_sequence_length)"
        )
