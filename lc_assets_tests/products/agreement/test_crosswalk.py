"""Crosswalks: tables that relate two legends. A wrong line is refused, and the message has its number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lc_assets.core.errors import LandCoverError
from lc_assets.core.landcover import CLASSES
from lc_assets.products.agreement.crosswalk import FOLDER, NOT_SCORED, read_crosswalk, shipped
from lc_assets.products.agreement.references import ANNUAL

SHIPPED = sorted(path.stem for path in FOLDER.glob("*.csv"))
CODES = {
    "esa-worldcover": {10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100},
    "io-lulc-annual-v02": {1, 2, 4, 5, 7, 8, 9, 10, 11},
    "eurosat": {c.code for c in CLASSES},
}
HEAD = "# a legend\nside,code,name,group,comment\n"
OURS = "".join(f"map,{c.code},{c.name},{'a' if c.code else 'b'},so\n" for c in CLASSES)
THEIRS = "reference,7,Seven,a,so\nreference,900,Nine hundred,b,so\nreference,3,Three,-,nothing of ours\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "legend.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_crosswalk_lists_both_legends_with_a_comment_per_line(name: str) -> None:
    path = shipped(name)
    assert path is not None
    crosswalk = read_crosswalk(path)
    assert [(entry.code, entry.name) for entry in crosswalk.map] == [(c.code, c.name) for c in CLASSES]
    assert {entry.code for entry in crosswalk.reference} == CODES[name]
    assert all(len(entry.comment) > 15 for entry in (*crosswalk.map, *crosswalk.reference))
    assert path.read_text().startswith("# ")


def test_every_annual_map_has_its_crosswalk() -> None:
    assert set(ANNUAL) < set(SHIPPED)
    assert shipped("../crosswalks/eurosat") is None


def test_orchards_snow_and_wetland_are_not_scored_against_worldcover() -> None:
    crosswalk = read_crosswalk(FOLDER / "esa-worldcover.csv")
    left_out = {e.name for e in (*crosswalk.map, *crosswalk.reference) if e.group == NOT_SCORED}
    assert {"PermanentCrop", "Snow and ice", "Herbaceous wetland", "Mangroves", "Moss and lichen"} < left_out
    assert len(left_out) == 6


def test_the_crosswalk_of_the_truth_is_the_class_table() -> None:
    crosswalk = read_crosswalk(FOLDER / "eurosat.csv")
    assert crosswalk.groups == tuple(c.title for c in CLASSES)
    assert (crosswalk.group_of("map") == crosswalk.group_of("reference")).all()


def test_codes_have_positions_and_classes_have_groups(tmp_path: Path) -> None:
    crosswalk = read_crosswalk(written(tmp_path, HEAD + OURS + "\n# theirs\n" + THEIRS))
    assert crosswalk.groups == ("b", "a")
    assert crosswalk.positions[[7, 900, 3, 8, 0]].tolist() == [0, 1, 2, crosswalk.unlisted, crosswalk.unlisted]
    assert crosswalk.group_of("reference").tolist() == [1, 0, -1]
    assert crosswalk.group_of("map").tolist() == [0, *[1] * 9]
    assert len(np.unique(crosswalk.positions)) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD.replace("comment", "remark") + OURS + THEIRS, "line 2: its columns are"),
        (HEAD + OURS.replace("map,3,", "mapp,3,") + THEIRS, "line 6: its side is 'mapp'"),
        (HEAD + OURS.replace("map,3,", "map,33,") + THEIRS, "line 6: the map has no class 33, 'Highway'"),
        (HEAD + OURS.replace("Highway", "Road") + THEIRS, "line 6: class 3 is Highway, not 'Road'"),
        (HEAD + OURS + "map,3,Highway,a,again\n" + THEIRS, "line 13: map class 3 is already in line 6"),
        (HEAD + OURS + THEIRS + "reference,7,Other,a,again\n", "line 16: reference class 7 is already in line 13"),
        (HEAD + OURS + THEIRS.replace("900", "65536"), "line 14: its code is '65536'"),
        (HEAD + OURS + THEIRS.replace("900", "-4"), "line 14: its code is '-4'"),
        (HEAD + OURS + THEIRS.replace("b,so", "b,"), "line 14: it lacks a name, a group or a comment"),
        (HEAD + OURS + THEIRS.replace("b,so", "b,so, and so"), "line 14: it has 6 cells, not 5"),
        (HEAD + OURS + THEIRS.replace("b,so", 'b,"so'), "line 14: it is not valid CSV"),
        (HEAD + OURS + THEIRS.replace("b,so", "c,so"), "line 3: no class of the reference is in the group 'b'"),
        (HEAD + OURS + THEIRS.replace("-,", "d,"), "line 15: no class of the map is in the group 'd'"),
        (HEAD + OURS.replace("map,9,SeaLake,a,so\n", "") + THEIRS, "no line has the map's SeaLake"),
        (HEAD + OURS, "no line has a class of the reference"),
        ("# nothing\n", "it has no columns"),
    ],
)
def test_a_wrong_line_is_refused_and_the_message_has_its_number(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(LandCoverError) as caught:
        read_crosswalk(written(tmp_path, text))
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("content", [b"\xff\xfe\0", b"#" * (2 << 20)])
def test_a_binary_or_a_very_long_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "legend.csv"
    path.write_bytes(content)
    with pytest.raises(LandCoverError, match="cannot be read"):
        read_crosswalk(path)
    with pytest.raises(LandCoverError, match="No such file"):
        read_crosswalk(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("reference,000000999999,X,a,so", "its code is '000000999999'"),
        ("reference,4,X," + "g" * 60 + ",so", "40 characters at most"),
        ("reference,4,=1+1|cmd,-,so", "start neither with = or + or @"),
        ("reference,4,X,-", "give all of side, code, name, group, comment"),
    ],
)
def test_texts_that_break_a_table_or_a_spreadsheet_are_refused(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(LandCoverError, match="line 16") as raised:
        read_crosswalk(written(tmp_path, f"{HEAD}{OURS}{THEIRS}".rstrip("\n") + f"\n{line}\n"))
    assert message in str(raised.value)


def test_a_crosswalk_without_a_common_group_or_that_is_not_a_file_is_refused(tmp_path: Path) -> None:
    ours = "".join(f"map,{c.code},{c.name},-,so\n" for c in CLASSES)
    with pytest.raises(LandCoverError, match="it has no group of both sides"):
        read_crosswalk(written(tmp_path, f"{HEAD}{ours}reference,1,One,-,so\n"))
    for path in (Path("/dev/zero"), tmp_path):
        with pytest.raises(LandCoverError, match="it is not a file"):
            read_crosswalk(path)
