"""Pages of a search: every item once, and a promised page that is empty is an error."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lc_assets.core.errors import BadReference
from lc_assets.remote import stac_api
from lc_assets_tests.remote.stac_server import EVERYWHERE, asked, catalog, found, page, play
from loopback.planetary_computer import PlanetaryComputer
from loopback.stac_api import PUBLIC_HOST
from loopback.wire import Answer, Request

NOTHING = [{}, {"features": []}, {"type": "FeatureCollection"}, page(), [], None, "", {**page(), "features": {}}]


@pytest.mark.parametrize("nothing", NOTHING, ids=json.dumps)
def test_a_promised_page_without_items_is_asked_for_again_and_never_taken_for_the_end(
    nothing: Any, pc: PlanetaryComputer, world: list[str]
) -> None:
    """pgstac looks one item ahead before it promises a page."""
    healthy = [True, False, True, True]
    pc.relay.add_host(PUBLIC_HOST, lambda _: pc.api.backend if healthy.pop(0) else Answer.of_json(nothing))
    assert found() == world
    healthy += [True, False, False]
    with pytest.raises(BadReference, match=r"promised more items and gave none|no page of items") as caught:
        found()
    assert caught.value.transient


def test_an_api_that_counts_may_end_in_an_empty_page(pc: PlanetaryComputer) -> None:
    """Elasticsearch does not look ahead."""
    searched = play(pc, page("a", "b", to="two", numberMatched=2), two=page(numberMatched=2))
    assert searched() == ["a", "b"]
    assert asked(pc) == ["search", "two"]


@pytest.mark.parametrize("count", [0, -1, 1])
def test_a_count_that_is_plainly_wrong_does_not_make_an_empty_page_the_end(count: int, pc: PlanetaryComputer) -> None:
    searched = play(pc, page("a", "b", to="two", numberMatched=count), two=page(numberMatched=count))
    with pytest.raises(BadReference, match="promised more items and gave none"):
        searched()


@pytest.mark.parametrize("counts", [{"numberMatched": 3}, {"context": {"matched": 3}, "numberMatched": None}])
def test_an_empty_last_page_is_an_error_where_the_api_counts_more(
    counts: dict[str, Any], pc: PlanetaryComputer
) -> None:
    searched = play(pc, page("a", to="two", **counts), two=page())
    with pytest.raises(BadReference, match="promised more items and gave none") as caught:
        searched()
    assert caught.value.transient


def test_a_page_without_items_that_leads_on_is_followed(pc: PlanetaryComputer) -> None:
    assert play(pc, page(to="two"), two=page("a", to="three"), three=page("b"))() == ["a", "b"]


def test_an_item_that_comes_again_on_a_later_page_is_given_once(pc: PlanetaryComputer) -> None:
    searched = play(
        pc, page("a", "b", "b", to="two"), two=page("b", "c", to="three"), three=page("c", to="four"), four=page("d")
    )
    assert searched() == ["a", "b", "c", "d"]


def test_next_links_in_a_circle_end(pc: PlanetaryComputer) -> None:
    searched = play(pc, page("a", to="two"), two=page("b", to="three"), three=page("c", to="two"))
    with pytest.raises(BadReference, match="repeats itself after 3 items"):
        searched()
    assert asked(pc) == ["search", "two", "three"]


def test_a_page_that_comes_again_under_ever_new_links_ends(pc: PlanetaryComputer) -> None:
    searched = play(pc, page("a", to="two"), two=lambda request: page("a", to=f"two?{len(pc.relay.exchanges)}"))
    with pytest.raises(BadReference, match="repeats itself after 1 items"):
        searched()
    assert len(pc.relay.exchanges) < 8


def test_a_last_page_that_leads_to_itself_is_the_end_where_all_that_were_counted_are_there(
    pc: PlanetaryComputer,
) -> None:
    assert play(pc, page("a", to="two", numberMatched=2), two=page("b", to="two", numberMatched=2))() == ["a", "b"]


def test_a_search_ends_somewhere(pc: PlanetaryComputer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stac_api, "MOST_PAGES", 5)

    def more(request: Request) -> dict[str, Any]:
        number = len(pc.relay.exchanges)
        return page(f"i{number}", to=f"two?{number}")

    with pytest.raises(BadReference, match="repeats itself after 5 items"):
        play(pc, more, two=more)()


def test_an_item_deleted_at_the_seam_of_two_pages_is_an_error_not_a_gap(
    pc: PlanetaryComputer, changing: list[str]
) -> None:
    """pgstac's token is the id of the last item; without it pgstac answers 500, and a new search is right again."""
    pages = catalog().search(EVERYWHERE)
    last = next(pages)[-1]["id"]
    pc.api.delete(last)
    with pytest.raises(BadReference) as caught:
        list(pages)
    assert caught.value.transient
    assert found() == [name for name in changing if name != last]
