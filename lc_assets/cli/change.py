"""`lc-assets change`: two season maps compared."""

from __future__ import annotations

import click

from lc_assets.cli.classify import shown_path
from lc_assets.cli.completion import complete_maps
from lc_assets.cli.options import echo_warning, with_session
from lc_assets.cli.session import Session
from lc_assets.core.wording import quantity


@click.command()
@click.argument("before", shell_complete=complete_maps)
@click.argument("after", shell_complete=complete_maps)
@click.option("--sure", default=60, show_default=True, help="Least confidence of both maps in percent.")
@click.option("--baseline", metavar="MAP", help="Another map of the first period: how much do two such maps differ?")
@with_session
def change(session: Session, before: str, after: str, sure: int, baseline: str | None) -> None:
    """Compare two maps of `lc-assets map`: which class became which, in hectares.

    A pixel counts as changed only where both maps are sure enough. Maps of two seasons differ even where nothing
    changed, since they are made of different dates: --baseline measures by how much. To compare two scenes, make a map
    of each first: `lc-assets map --area FILE --name NAME SCENE`.
    """
    from lc_assets.products.season_map.change import NOTHING, SAME, UNSURE, compare_maps

    found = compare_maps(session.store, before, after, sure=sure, baseline=baseline)
    known, nothing = int(found.pixels[:NOTHING].sum()), int(found.pixels[NOTHING])
    both, area = ((number * found.pixel_area) for number in (known, known + nothing))
    click.echo(f"      {both:.1f} of {area:.1f} ha have a class in both maps ({100 * both / area:.1f} %). Of these:")

    def line(words: str, pixels: int) -> str:
        return f"      {words:<48}{pixels * found.pixel_area:12.1f} ha {100 * pixels / known:6.1f} %"

    for old, new, pixels in found.transitions[:10]:
        click.echo(line(f"{old.title} to {new.title}", pixels))
    if len(found.transitions) > 10:
        click.echo(f"      and {quantity(len(found.transitions) - 10, 'smaller transition')}")
    click.echo(line("changed", found.changed))
    click.echo(line("differs, but not sure enough: not counted", int(found.pixels[UNSURE])))
    click.echo(line("unchanged", int(found.pixels[SAME])))
    if found.share is None:
        click.echo("      No pixel is sure in both maps.")
    else:
        click.echo(f"      Where both maps are sure, {100 * found.share:.1f} % of the pixels differ.")
    for name, model in zip((after, baseline), found.models[1:], strict=False):
        if model.fingerprint != found.models[0].fingerprint:
            same = " (other weights)" if model.name == found.models[0].name else ""
            models = f"{before} was made by {found.models[0].name}, {name} by {model.name}{same}"
            echo_warning(f"{models}: where they differ, the models may be the reason", indent="      ")
    if baseline is None:
        click.echo(
            "      Maps of different dates differ even where nothing changed; --baseline MAP measures by how much."
        )
    elif found.baseline is None:
        click.echo(f"      {baseline} has no pixel where it and {before} are sure")
    else:
        click.echo(f"      Where {before} and {baseline} are sure, {100 * found.baseline:.1f} % of the pixels differ.")
    if found.shared and found.baseline is not None:
        scenes = quantity(found.shared, "scene")
        echo_warning(f"{baseline} and {before} have {scenes} in common, so they differ less than maps of other dates")
    click.echo(f"      {shown_path(found.layout.transitions)}")
    click.echo(f"      {shown_path(found.layout.table)}")
