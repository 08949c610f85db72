"""Whether a base model is whole and can be used, as far as its folders and the headers of its files tell.

Nothing is downloaded here, and nothing needs torch. What is not here yet is no problem: the trainer brings it."""

from collections.abc import Collection, Iterator
from functools import lru_cache
from pathlib import Path

from fluxgym.job.folder import find_job, read_job
from fluxgym.run.base_model import FILE, FOLDER, find_kind, find_model_folder, find_place
from trainer.anatomy import (
    ANATOMIES,
    INDEX,
    Anatomy,
    describe,
    find_anatomy,
    find_folder_problems,
    find_prefix,
)
from trainer.config import Config, Model
from trainer.header import WeightsError, find_file_problem, read_header

VOCABULARIES = ("tokenizer.json", "vocab.json", "spiece.model", "tokenizer.model")  # a tokenizer has one of them
DOWNLOAD = "download"  # kind of the job that brings a model from the Hub
TITLES = " or ".join(anatomy.title for anatomy in ANATOMIES)


def find_model_problems(config: Config) -> list[str]:
    """What is wrong with the base model of a training, one sentence each with what to do; empty when it can begin."""
    model, path = config.model, find_place(config.model.base)
    problems = [problem for name in _list_given(model) if (problem := _find_given_problem(name, getattr(model, name)))]
    if find_kind(model.base) == FILE:
        return _find_file_problems(path, model) + problems
    folder = find_model_folder(model.base)
    if (job := read_job(find_job(DOWNLOAD, model.base))) and job.is_active:
        problems.append(f"{model.base} is being downloaded right now: start when it is here, or stop its download")
    if folder is None:
        return problems
    if find_kind(model.base) == FOLDER:
        return find_folder_faults(folder, _list_given(model)) + problems
    return _find_damage(folder) + problems


def is_whole(base: str) -> bool:
    """Whether a folder, or a model from the Hub, has all its files, each as long as its header says."""
    folder = find_model_folder(base)
    return folder is not None and not find_folder_faults(folder)


def find_folder_faults(folder: Path, given: Collection[str] = ()) -> list[str]:
    """What is missing or damaged in a folder in diffusers format. `given`: settings that replace weights of its parts.

    Looked at again only when one of its files has changed."""
    return list(_find_folder_faults(folder, frozenset(given), _stamp(folder)))


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    files = [file for pattern in ("*.json", "*/*") for file in sorted(folder.glob(pattern)) if file.exists()]
    return tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files)


@lru_cache(maxsize=256)
def _find_folder_faults(folder: Path, given: frozenset[str], _stamp: object) -> tuple[str, ...]:
    anatomy = find_anatomy(folder)
    if anatomy is None:
        got = "is missing or damaged" if not (folder / INDEX).is_file() else "names another kind of model"
        return (f"{folder}: {INDEX} {got}, expected {TITLES} in diffusers format",)
    return tuple(f"{folder / part}: {problem}" for part, problem in _list_faults(folder, anatomy, given))


def _list_faults(folder: Path, anatomy: Anatomy, given: Collection[str]) -> Iterator[tuple[str, str]]:
    for part, config in anatomy.configs.items():
        has_weights = part in anatomy.settings and anatomy.settings[part] not in given
        yield from ((part, problem) for problem in find_folder_problems(folder / part, config, has_weights))
        if part.startswith("tokenizer") and not any((folder / part / name).is_file() for name in VOCABULARIES):
            yield part, f"has none of {', '.join(VOCABULARIES)}: the folder is not whole, download it again"


def _find_damage(folder: Path) -> list[str]:
    """Of a model that is perhaps only partly downloaded: what of it is there and cannot be used."""
    anatomy = find_anatomy(folder)
    if anatomy is None:
        return find_folder_faults(folder) if (folder / INDEX).is_file() else []
    files = [file for part in anatomy.settings for file in sorted((folder / part).glob("*.safetensors"))]
    return [f"{file}: {problem}" for file in files if file.exists() and (problem := find_file_problem(file))]


# ---- single files ----------------------------------------------------------------------------------------------------
def find_parts(file: Path) -> tuple[Anatomy | None, set[str], str]:
    """Of a single file: the family of its transformer, the parts it holds, and what it seems to be. Raises WeightsError."""
    names = read_header(file)
    for anatomy in ANATOMIES:
        held = {part for part, marks in anatomy.marks.items() if find_prefix(names, marks) is not None}
        if "transformer" in held:
            return anatomy, held, f"{anatomy.title}'s transformer"
    return None, set(), describe(names)


def _find_file_problems(file: Path, model: Model) -> list[str]:
    try:
        anatomy, held, kind = find_parts(file)
    except (WeightsError, OSError) as error:
        return [str(error)]
    if anatomy is None:
        return [f"{file}: got {kind}, expected the transformer of {TITLES}"]
    missing = [name for part, name in anatomy.settings.items() if part not in held and not getattr(model, name)]
    problems = []
    if missing:
        asked = ", ".join(f"model.{name}" for name in missing)
        problems.append(f"{file} holds the transformer without all other parts; expected files for {asked} as well")
    if not model.tokenizers and not has_tokenizers(anatomy):
        said = f"set model.tokenizers to {anatomy.sources[0]}, of which only they are downloaded, or to a folder that has them"
        problems.append(f"{file}: a single file has no tokenizer, and none was downloaded before: {said}")
    return problems


def has_tokenizers(anatomy: Anatomy) -> bool:
    """Whether a model was downloaded whose tokenizers are this family's: a single file has none."""
    files = [f"{part}/{config}" for part, config in anatomy.configs.items() if part.startswith("tokenizer")]
    folders = filter(None, map(find_model_folder, anatomy.sources))
    return any(all((folder / file).is_file() for file in files) for folder in folders)


def _list_given(model: Model) -> list[str]:
    names = dict.fromkeys(name for anatomy in ANATOMIES for name in anatomy.settings.values())
    return [name for name in names if getattr(model, name)]


def _find_given_problem(name: str, given: str) -> str:
    """Of a part that has a setting of its own."""
    path, kind = find_place(given), find_kind(given)
    if kind == FOLDER:
        problems = list(find_folder_problems(path, "config.json", True))
        return f"model.{name}: {path}: {problems[0]}" if problems else ""
    if kind != FILE:
        return f"model.{name}: got {path}, which is not there; expected a .safetensors file or a folder"
    problem = find_file_problem(path)
    return f"model.{name}: {path}: {problem}" if problem else ""
