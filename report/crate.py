"""`python -m report crate [RESULTS]`: a folder of results described as an RO-Crate 1.1, to be deposited as it is.

https://www.researchobject.org/ro-crate/specification/1.1/ . Everything is computed from the files. Records hold no
dates, so the only date is that of the suite's release, and the same files give the same bytes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bench.untrusted import clean
from report import files, suite
from report.deposit import Held, counted, read
from report.findings import plural
from tasks.cards import TASKS
from tasks.data import SOURCES
from tasks.data.placing import checksum
from tasks.literature import PUBLICATIONS

Entity = dict[str, Any]

METADATA = "ro-crate-metadata.json"
CONTEXT = ["https://w3id.org/ro/crate/1.1/context", {"sha256": "http://schema.org/sha256"}]
"""RO-Crate's, and a term that it has from 1.2 on."""

SUITE, AUTHORS = "#suite", "#authors"
README = "README.md"
PACKAGE = "lstm-training-bench"

LICENCES = {
    "MIT": "https://spdx.org/licenses/MIT",
    "CC BY-ND 4.0": "https://creativecommons.org/licenses/by-nd/4.0/",
    "CC BY-SA 4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
    "CC BY-SA 3.0": "https://creativecommons.org/licenses/by-sa/3.0/",
}
"""Licence -> its address. One that has none is described in words."""


def run(asked: argparse.Namespace) -> int:
    """Write the description into the folder. Raises BadInput where it holds no records."""
    folder = asked.folder or asked.results
    held = list(read(folder))
    path = files.write(folder / METADATA, text(folder, held))
    print(f"{clean(path, 400)}: {plural(len(held), 'file')} of records ({counted(held)})")
    return 0


def text(folder: Path, held: list[Held]) -> str:
    """The metadata file, in an order that depends on the files alone."""
    graph = [*_root(folder, held), *_files(folder, held), *_software(held), *_tasks(held)]
    return json.dumps({"@context": CONTEXT, "@graph": graph}, indent=1, ensure_ascii=True) + "\n"


def _linked(name: str, ids: Iterable[str]) -> Entity:
    """The property that refers to these entities: a list where there are several, absent where there are none."""
    found = [{"@id": one} for one in ids]
    return {name: found if len(found) > 1 else found[0]} if found else {}


def _address(kind: str, *names: str) -> str:
    """The @id of something that is described here and is no file."""
    return f"#{kind}-{'@'.join(quote(name) for name in names)}"


def _root(folder: Path, held: list[Held]) -> Iterator[Entity]:
    matrices = sorted({one.matrix for one in held if not one.of_core})
    tasks, machines = {task[0] for one in held for task in one.tasks}, {name for one in held for name in one.machines}
    parts = [*([README] if (folder / README).is_file() else []), *(one.id for one in held)]
    said = [
        f"matrices {', '.join(matrices)}" if matrices else "",
        plural(len(tasks), "task"),
        f"{counted(held)} records",
        f"{plural(len(machines), 'kind')} of machine",
    ]
    yield {
        "@id": METADATA,
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
        "description": "Written by python -m report crate.",
    }
    yield {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Results of the {suite.NAME}",
        "description": f"Records of training runs of recurrent networks: {'; '.join(filter(None, said))}.",
        "datePublished": suite.RELEASED,
        "license": {"@id": LICENCES[suite.LICENCE]},
        "author": {"@id": AUTHORS},
        "publisher": {"@id": AUTHORS},
        "version": "/".join(_versions(held, PACKAGE)) or "?",
        "keywords": list(suite.KEYWORDS),
        "isBasedOn": {"@id": SUITE},
        **_linked("hasPart", parts),
        **_linked("mentions", (_address("made", one.id) for one in held)),
    }
    yield {"@id": AUTHORS, "@type": "Organization", "name": suite.AUTHORS, "url": suite.URL}
    yield _licence(suite.LICENCE)


def _licence(name: str) -> Entity:
    return {"@id": LICENCES[name], "@type": "CreativeWork", "name": name, "description": f"The licence {name}."}


def _files(folder: Path, held: list[Held]) -> Iterator[Entity]:
    if (folder / README).is_file():
        described = {
            "name": "What the records are",
            "description": "Kinds of record, statuses, how each matrix was made.",
        }
        yield {"@id": README, "@type": "File", **described, **_bytes(folder / README, "text/markdown")}
    for one in held:
        tasks = [_address("task", *task) for task in sorted(one.tasks)]
        yield {
            "@id": one.id,
            "@type": "File",
            "name": one.what,
            "description": f"One JSON record a line: {counted([one])}.",
            **_bytes(one.path, "application/jsonl"),
            **_linked("about", tasks),
        }
        yield {
            "@id": _address("made", one.id),
            "@type": "CreateAction",
            "name": f"Making of {one.what[0].lower()}{one.what[1:]}",
            **_linked("instrument", [SUITE, *(_address("software", *use) for use in _libraries([one]))]),
            **_linked("object", tasks),
            "result": {"@id": one.id},
        }


def _bytes(path: Path, encoding: str) -> Entity:
    return {"encodingFormat": encoding, "contentSize": str(path.stat().st_size), "sha256": checksum(path)}


def _versions(held: Iterable[Held], library: str) -> list[str]:
    found = {version for one in held for name, version in one.versions if name == library}
    return sorted(found - suite.SILENT)


def _libraries(held: Iterable[Held]) -> list[tuple[str, str]]:
    """Name and version of what the suite ran on."""
    found = {use for one in held for use in one.versions}
    return sorted(use for use in found if use[0] != PACKAGE and use[1] not in suite.SILENT)


def _software(held: list[Held]) -> Iterator[Entity]:
    yield {
        "@id": SUITE,
        "@type": "SoftwareApplication",
        "name": suite.NAME,
        "description": suite.TITLE,
        "url": suite.URL,
        "version": "/".join(_versions(held, PACKAGE)) or "?",
        "author": {"@id": AUTHORS},
        "license": {"@id": LICENCES[suite.LICENCE]},
        **_linked("softwareRequirements", (_address("software", *use) for use in _libraries(held))),
    }
    for name, version in _libraries(held):
        facts = {"name": name, "version": version}
        yield {"@id": _address("software", name, version), "@type": "SoftwareApplication", **facts}


def _tasks(held: list[Held]) -> Iterator[Entity]:
    """Each task with its data, then the datasets, then what to cite for both, then the datasets' licences."""
    tasks = sorted({task for one in held for task in one.tasks})
    cards = [TASKS[name] for name, *_ in tasks if name in TASKS]
    for name, version, fingerprint in tasks:
        card = TASKS.get(name)
        yield {
            "@id": _address("task", name, version, fingerprint),
            "@type": "CreativeWork",
            "name": name,
            "version": version,
            "identifier": fingerprint,
            **({"description": f"{card.summary}; {card.metric} on test; {card.reference}"} if card else {}),
            **_linked("isBasedOn", [_address("data", card.dataset)] if card and card.dataset else []),
            **_linked("citation", (f"#{key}" for key in card.cites) if card else []),
        }
    for name in sorted({card.dataset for card in cards if card.dataset}):
        using = [card for card in cards if card.dataset == name]
        licence = SOURCES[name].licence
        yield {
            "@id": _address("data", name),
            "@type": "CreativeWork",
            "name": name,
            "description": using[0].reference,
            "license": {"@id": LICENCES[licence]} if licence in LICENCES else licence,
            "citation": {"@id": f"#{using[0].cites[0]}"},
        }
    for key in sorted({key for card in cards for key in card.cites}):
        work = PUBLICATIONS[key]
        facts = {"name": work.title, "alternateName": work.short, "datePublished": str(work.year), "url": work.link}
        yield {"@id": f"#{key}", "@type": "CreativeWork", **{fact: said for fact, said in facts.items() if said}}
    for name in sorted(
        {SOURCES[card.dataset].licence for card in cards if card.dataset} & (set(LICENCES) - {suite.LICENCE})
    ):
        yield _licence(name)
