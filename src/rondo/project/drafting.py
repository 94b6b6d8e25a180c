"""A new document from a template, with the project's own names filled in."""

from __future__ import annotations

import re
from importlib.resources import files
from string import Template

from rondo.errors import NotFound, WrongUse
from rondo.project.documents import FOLDER, KINDS
from rondo.project.models import Model
from rondo.project.reading import Project

_NAME = re.compile(r"[\w][\w-]*")
_STEPS = {
    "en": {
        "loads": "The data loads", "built": "The examples are built", "passes": "A first version passes its gate",
        "works": "It is at work", "returns": "Outcomes come back", "kept": "Those who use it keep it",
    },
    "ko": {
        "loads": "데이터가 적재된다", "built": "예제가 만들어진다", "passes": "첫 버전이 게이트를 통과한다",
        "works": "운영에 들어간다", "returns": "결과가 돌아온다", "kept": "쓰는 사람들이 계속 쓰기로 한다",
    },
}  # fmt: skip
OF_ONE_MODEL = ("prd", "design", "model_card")


def draft(project: Project, kind: str, name: str, *, model: str | None = None, language: str | None = None) -> str:
    """Write `docs/NAME.md` of a kind and answer its path in the project. What is there is never overwritten.

    `model` is which one it is about, where the project has several; `language` is the project's if not said. Raises
    NotFound for a kind or model that is not, WrongUse for a name that no file can bear, a file that is there, or a
    kind that has nothing to be about yet.
    """
    if kind not in KINDS:
        raise NotFound.among("kind of document", kind, KINDS)
    if not _NAME.fullmatch(name):
        raise WrongUse(f"{name!r} is not a name for a document.", next_step="Use letters, digits, - and _.")
    code = language or project.settings.language
    if code not in _STEPS:
        raise WrongUse(f"--language is {code!r}; it may be: {', '.join(_STEPS)}.", next_step="Use one of these.")
    about = _about(project, kind, model)
    template = (files("rondo.project") / "drafts" / f"{kind}.{code}.md").read_text(encoding="utf-8")
    text = Template(template).substitute(_values(project, about, name, code))
    path = project.root / FOLDER / f"{name}.md"
    path.parent.mkdir(exist_ok=True)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError as error:
        raise WrongUse(
            f"{FOLDER}/{name}.md is there already, and is left as it is.", next_step="Give the new one another name."
        ) from error
    return f"{FOLDER}/{name}.md"


def _about(project: Project, kind: str, named: str | None) -> Model | None:
    """The model that a document is about; None where its kind asks for none and there is not just one."""
    if named is not None:
        model = project.model(named)
    elif len(project.models) == 1:
        model = next(iter(project.models.values()))
    elif kind in OF_ONE_MODEL:
        what = "there is none yet" if not project.models else f"there are: {', '.join(sorted(project.models))}"
        step = "Declare one in models/." if not project.models else "Name it with --model."
        raise WrongUse(f"A document of kind {kind} is about one model, and {what}.", next_step=step)
    else:
        return None
    if kind == "prd" and model.name in project.prds:
        raise WrongUse(
            f"{model.name} has its requirements in {project.prds[model.name].file}.",
            next_step="Add lines there: a model has one.",
        )
    return model


def _values(project: Project, model: Model | None, name: str, code: str) -> dict[str, str]:
    sources = ", ".join(f"`{source}`" for source in project.sources) or "none yet"
    values = {
        "project": project.settings.name, "title": name.replace("-", " ").replace("_", " ").capitalize(),
        "sources": sources, "me": "engineering_manager", "about": model.name if model else project.settings.name,
        "model": "", "examples": "", "label": "", "metric": "", "features": "",
        "milestones": _milestones(project, model, code),
    }  # fmt: skip
    if model is not None:
        tables = dict.fromkeys(feature.table for feature in model.features)
        features = "\n".join(f"- `{table}`: TODO" for table in tables) or "TODO"
        values |= {"model": model.name, "examples": model.examples, "label": model.task.label, "metric": model.metric}
        values["features"] = features
    return values


def _milestones(project: Project, model: Model | None, code: str) -> str:
    """Steps that any project goes through, by the names of this one."""
    first = next(iter((*project.tables, *project.sources)), None)
    steps = [("loads", "data_engineer", f"table built {first}")] if first and model is None else []
    if model is not None:
        steps += [
            ("built", "data_engineer", f"table built {model.examples}"),
            ("passes", "data_scientist", f"gate passed {model.name}"),
            ("works", "ml_engineer", f"version in production {model.name}"),
            ("returns", "ml_engineer", f"outcome known {model.name}"),
        ]
    steps.append(("kept", "product_manager", 'decision made "kept"'))
    said = _STEPS[code]
    return "\n".join(f"  - what: {said[step]}\n    who: {who}\n    evidence: {shown}" for step, who, shown in steps)
