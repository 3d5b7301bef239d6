"""The C++ kernels: built once, found again, and done without where they cannot be had."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench import native
from bench.native import BuildError

ROOT = Path(__file__).parents[1]

COMPILER = shutil.which("g++") or shutil.which("clang++")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler")

ONE = 'extern "C" void one(int* x) { *x = 1; }\n'

ASKING = """
import ctypes, json, sys, warnings
from pathlib import Path
from bench import native
native.HERE, native.SECONDS = Path(sys.argv[1]), 2
x = ctypes.c_int(0)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for _ in range(2):
        if (one := native.function("one", ctypes.c_void_p)) is not None:
            one(ctypes.byref(x))
    if native.problem() is not None:
        assert native.function("two") is None
warned = [str(warning.message) for warning in caught if warning.category is native.NoKernels]
print(json.dumps([x.value, native.problem(), warned, native.ready()]))
"""
"""A process that uses its kernels, built from the folder in its first argument, and tells how it went."""

GOOD = [1, None, [], True]

ONCE = 2
"""Calls of the compiler for a library of one source: one for the source, one for the library."""


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one small source, in the place of the real ones; an empty cache beside it."""
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "one.cpp").write_text(ONE)
    monkeypatch.setattr(native, "HERE", folder)
    monkeypatch.setenv("LSTM_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.delenv("LSTM_BENCH_ISA", raising=False)
    return folder


def script(folder: Path, name: str, lines: str) -> Path:
    """A compiler of our own: notes each call in `calls`, then does what `lines` say."""
    path = folder / name
    path.write_text(f'#!/bin/sh\necho "$@" >> {folder}/calls\n{lines}\n')
    path.chmod(0o755)
    return path


def calls(folder: Path) -> int:
    return len((folder / "calls").read_text().splitlines())


def process(sources: Path, **environment: str) -> subprocess.Popen[str]:
    """A process that asks for its kernels."""
    known = {**os.environ, "LSTM_BENCH_CACHE": str(sources.parent / "cache"), **environment}
    return subprocess.Popen(
        [sys.executable, "-c", ASKING, str(sources)],
        cwd=ROOT,
        env=known,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answer(asked: subprocess.Popen[str]) -> list[object]:
    """What a kernel wrote, why there is none, the warnings, and whether the answer is known without the compiler."""
    out, error = asked.communicate(timeout=60)
    assert error == ""
    told: list[object] = json.loads(out)
    return told


def refusal(sources: Path, **environment: str) -> str:
    """Why a process has no kernels; it has been told once, whatever it asked for, and has lived on."""
    wrote, why, warned, _ = answer(process(sources, **environment))
    assert wrote == 0
    assert isinstance(why, str)
    assert why.startswith("no C++ kernels: ")
    assert warned == [f"{why}; slower back ends are used"]
    assert str(sources.parent) not in why
    return why.removeprefix("no C++ kernels: ")


@needs_compiler
def test_built_once(sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second build is the first one's file; the compiler is not called again, not even to ask for its version."""
    monkeypatch.setenv("CXX", str(script(tmp_path, "cxx", f'exec {COMPILER} "$@"')))
    assert not native.ready()
    library = native.build()
    made = library.stat()
    assert native.ready()
    assert calls(tmp_path) == ONCE
    assert native.build() == library
    assert library.stat() == made
    assert calls(tmp_path) == ONCE
    assert ctypes.CDLL(str(library)).one
    assert {path.suffix for path in library.parent.iterdir()} == {".so", ".lock"}


@needs_compiler
def test_another_source_flag_or_compiler_is_another_library(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the kernels are made of and with is part of their name."""
    found = [native.build(), native.build("generic")]
    monkeypatch.setenv("CXX", f"{COMPILER} -g")
    found.append(native.build())
    monkeypatch.setenv("CXX", str(script(tmp_path, "cxx", f'exec {COMPILER} "$@"')))
    found.append(native.build())
    script(tmp_path, "cxx", f'exec {COMPILER} "$@" # a newer one')
    found.append(native.build())
    monkeypatch.setattr(native, "FLAGS", (*native.FLAGS, "-DNDEBUG"))
    found.append(native.build())
    (sources / "one.h").write_text("// included by nobody\n")
    found.append(native.build())
    (sources / "two.cpp").write_text(ONE.replace("one", "two"))
    found.append(native.build())
    assert ctypes.CDLL(str(found[-1])).two
    levels = 1 if native.level() == "generic" else 0
    assert len(set(found)) == len(found) - levels


@needs_compiler
def test_two_processes_build_once(sources: Path, tmp_path: Path) -> None:
    """Who comes second waits for the first, and both load the one library."""
    slow = script(tmp_path, "cxx", f'sleep 1.5; exec {COMPILER} "$@"')
    both = [process(sources, CXX=str(slow)) for _ in range(2)]
    assert [answer(asked) for asked in both] == [GOOD] * 2
    assert calls(tmp_path) == ONCE


def test_no_compiler(sources: Path) -> None:
    """Without a compiler there are words, one warning a process, and no kernels."""
    assert refusal(sources, PATH="") == "no C++ compiler found (g++, clang++ or c++)"


def test_a_compiler_that_is_not_there(sources: Path, tmp_path: Path) -> None:
    """CXX is taken at its word: no other compiler stands in for it."""
    assert refusal(sources, CXX=str(tmp_path / "g+++")) == "CXX names 'g+++', which is not there"


@needs_compiler
def test_a_failing_compiler_is_asked_once(sources: Path, tmp_path: Path) -> None:
    """Its first error is kept: the next process repeats the words without another try, until the file is removed."""
    (sources / "one.cpp").write_text("int x = ;\n" + ONE)
    failing = str(script(tmp_path, "cxx", f'exec {COMPILER} "$@"'))
    why = refusal(sources, CXX=failing)
    assert why.startswith("cxx: one.cpp:1:")
    assert "error: expected" in why
    assert refusal(sources, CXX=failing) == why
    assert calls(tmp_path) == 1
    (kept,) = (tmp_path / "cache").glob("*.failed")
    assert f"remove {kept.name}" in why
    kept.unlink()
    (sources / "one.cpp").write_text(ONE)
    assert answer(process(sources, CXX=failing)) == GOOD


@pytest.mark.skipif(os.name != "posix", reason="shell scripts")
@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("exit 1", "cxx: ended with code 1;"),
        ("kill -9 $$", "cxx: ended with code -9;"),
        ("exec sleep 60", "cxx: took longer than 2 s;"),
        ("exit 0", "cxx: its library does not load;"),
        ('for last; do :; done; echo junk > "$last"', "cxx: its library does not load;"),
    ],
)
def test_a_compiler_that_is_no_compiler(sources: Path, tmp_path: Path, lines: str, words: str) -> None:
    """One that dies, hangs, or makes nothing or garbage is a refusal like any other, met once."""
    broken = str(script(tmp_path, "cxx", lines))
    assert refusal(sources, CXX=broken).startswith(words)
    made = calls(tmp_path)
    assert refusal(sources, CXX=broken).startswith(words)
    assert calls(tmp_path) == made


@pytest.mark.skipif(os.name != "posix", reason="shell scripts")
def test_a_compiler_that_does_not_start(sources: Path, tmp_path: Path) -> None:
    """A file that may be run and cannot."""
    path = tmp_path / "cxx"
    path.write_text("#!/not/there\n")
    path.chmod(0o755)
    assert refusal(sources, CXX=str(path)).startswith("cxx: does not start (No such file or directory);")


@needs_compiler
def test_a_cache_that_cannot_be_written(sources: Path, tmp_path: Path) -> None:
    """Without a folder to keep them in there are no kernels, and the words say which variable names another."""
    (tmp_path / "file").write_text("not a folder")
    why = refusal(sources, LSTM_BENCH_CACHE=str(tmp_path / "file" / "cache"))
    assert why == "the cache folder cannot be written (Not a directory); set LSTM_BENCH_CACHE to one that can"


@needs_compiler
def test_a_cache_that_can_only_be_read(sources: Path, tmp_path: Path) -> None:
    """Kernels that were built before are used from a folder that has become read-only."""
    native.build()
    (tmp_path / "cache").chmod(0o500)
    try:
        assert answer(process(sources)) == GOOD
    finally:
        (tmp_path / "cache").chmod(0o700)


@needs_compiler
def test_a_library_that_was_damaged(sources: Path) -> None:
    """What does not load any more is no crash, and the words say what to remove."""
    native.build().write_bytes(b"junk")
    assert refusal(sources).startswith("the library does not load; to build it again, remove kernels-*")


def test_instruction_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown names, and sets beyond this processor, are refused with what there is."""
    monkeypatch.setattr(native, "facts", lambda: {"simd": "avx2"})
    monkeypatch.delenv("LSTM_BENCH_ISA", raising=False)
    assert native.level() == "avx2"
    for asked, words in (("sse", "must be one of avx512, avx2, generic, got 'sse'"), ("avx512", "runs at most avx2")):
        monkeypatch.setenv("LSTM_BENCH_ISA", asked)
        with pytest.raises(BuildError, match=words):
            native.build()
        assert native.ready()
    monkeypatch.setenv("LSTM_BENCH_ISA", "generic")
    assert native.level() == "generic"


@needs_compiler
def test_every_instruction_set_draws_the_same_bits(sources: Path) -> None:
    """A mask does not depend on the width of the vectors it was drawn with."""
    (sources / "one.cpp").unlink()
    shutil.copy(Path(native.__file__).with_name("noise.cpp"), sources)
    drawn = set()
    for isa in list(native.LEVELS)[list(native.LEVELS).index(native.level()) :]:
        kernel = ctypes.CDLL(str(native.build(isa))).bits
        kernel.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_uint64, ctypes.c_int64]
        mask = ctypes.create_string_buffer(1_003)
        kernel(mask, 1_003, 12_345, 2**14)
        drawn.add(mask.raw)
    (only,) = drawn
    assert 200 < sum(only) < 300


def test_kernels_need_no_torch() -> None:
    """The front door builds them without loading torch."""
    check = "import bench.native, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=True)
