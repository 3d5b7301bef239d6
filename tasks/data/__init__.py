"""The real datasets: SOURCES says what there is, and a file each reads one. Standard library only."""

from __future__ import annotations

from tasks.data import language_sources, series_sources, speech_sources
from tasks.data.source import DamagedData, Download, MissingData, Source

__all__ = ["SOURCES", "DamagedData", "Download", "MissingData", "Source"]

SOURCES: dict[str, Source] = {
    source.name: source for table in (speech_sources, language_sources, series_sources) for source in table.SOURCES
}
