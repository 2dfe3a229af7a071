"""The raw formats there are: command name → source. A new format is a file of this folder and a line here.

All of them import light: their options are read for every `--help`."""

from __future__ import annotations

from data_prep.sources.ade20k import Ade20k
from data_prep.sources.camvid import Camvid
from data_prep.sources.cityscapes import Cityscapes
from data_prep.sources.folder import Folder
from data_prep.sources.hf import HuggingFace
from data_prep.sources.raw import Source
from data_prep.sources.scenes import Scenes
from data_prep.sources.voc import Voc

SOURCES: dict[str, type[Source]] = {
    "voc": Voc,
    "cityscapes": Cityscapes,
    "ade20k": Ade20k,
    "camvid": Camvid,
    "folder": Folder,
    "hf": HuggingFace,
    "scenes": Scenes,
}
