"""Figures of agreement: the estimators of Olofsson et al. (2014), and their sample."""

from __future__ import annotations

import numpy as np
import pytest

from lc_assets.products.agreement.estimators import Z95, count_all, estimate_from_sample
from lc_assets.products.agreement.sampling import ReservoirSampler, allocate_samples

PAPER = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
"""Olofsson et al. 2014, table 8: deforestation, forest gain, stable forest, stable non-forest."""
MAPPED = np.array([200_000, 150_000, 3_200_000, 6_450_000])


def test_the_example_of_the_paper_is_reproduced() -> None:
    """Section 5. Two printed half widths of producer's accuracies (0.23, 0.01) do not follow from equation 7 and the
    printed table (0.254, 0.018, as in the R package mapaccuracy). The test uses the values that follow."""
    found = estimate_from_sample(PAPER, MAPPED)
    assert (found.overall.value, Z95 * found.overall.error) == pytest.approx((0.95, 0.02), abs=0.005)
    users = [(figure.value, Z95 * figure.error) for figure in found.users]
    assert users == [
        pytest.approx(pair, abs=0.005) for pair in ((0.88, 0.07), (0.73, 0.10), (0.93, 0.04), (0.96, 0.02))
    ]
    producers = [(figure.value, Z95 * figure.error) for figure in found.producers]
    printed = ((0.75, 0.21), (0.85, 0.254), (0.93, 0.03), (0.96, 0.018))
    assert producers == [pytest.approx(pair, abs=0.005) for pair in printed]
    area = found.areas[0]
    assert area.value * MAPPED.sum() == pytest.approx(235_086, abs=1)
    assert Z95 * area.error * MAPPED.sum() == pytest.approx(68_418, abs=1)
    assert found.proportions.sum() == pytest.approx(1)


def test_a_figure_without_data_is_none() -> None:
    # The second group is on neither side, the third only on the map, the fourth only in the reference.
    found = count_all(np.array([[8, 0, 0, 2], [0, 0, 0, 0], [3, 0, 0, 1], [0, 0, 0, 0]]))
    assert [figure.value for figure in found.users] == [0.8, None, 0.0, None]
    assert [figure.value for figure in found.producers] == [8 / 11, None, None, 0.0]
    assert [figure.interval for figure in found.users][1] is None
    assert found.overall.value == pytest.approx(8 / 14)
    empty = count_all(np.zeros((3, 3)))
    assert empty.overall.value is empty.overall.interval is empty.users[0].value is empty.areas[0].value is None


def test_a_stratum_of_one_sample_has_no_standard_error_unless_it_has_one_pixel() -> None:
    sample = np.array([[50, 10], [0, 1]])
    lone = estimate_from_sample(sample, np.array([6000, 40]))
    assert lone.users[1].value == 1.0
    assert lone.users[1].error is lone.overall.error is lone.overall.interval is None
    assert lone.overall.value is not None
    whole = estimate_from_sample(sample, np.array([6000, 1]))
    assert whole.users[1].error == 0
    assert whole.overall.error is not None
    none = estimate_from_sample(np.array([[50, 10], [0, 0]]), np.array([6000, 40]))
    assert none.overall.value is none.users[1].value is None
    assert none.users[0].value == 50 / 60


def test_a_full_count_has_no_error() -> None:
    found = count_all(np.array([[50, 10], [3, 7]]))
    assert found.overall.interval == (57 / 70, 57 / 70)
    assert {figure.error for figure in (*found.users, *found.producers, *found.areas)} == {0.0}


# The sample


def drawn(strata: np.ndarray, sizes: np.ndarray, seed: int, rows: int = 1000) -> list[np.ndarray]:
    """Indices of the sample of each stratum, offered in strips of `rows` rows."""
    sampler = ReservoirSampler(len(sizes), int(sizes.max()), seed)
    for top in range(0, len(strata), rows):
        sampler.offer(strata[top : top + rows], strata[top : top + rows], top)
    parts = sampler.draw(sizes)
    assert all((strata.ravel()[part.indices] == number).all() for number, part in enumerate(parts))
    assert all((part.values == number).all() for number, part in enumerate(parts))
    return [np.sort(part.indices) for part in parts]


def test_a_sample_depends_on_its_seed_and_not_on_the_strips() -> None:
    strata = np.random.default_rng(0).integers(-1, 3, (90, 70))
    sizes = np.array([40, 10, 25])
    first = drawn(strata, sizes, 1)
    assert [len(np.unique(part)) for part in first] == sizes.tolist()
    for rows in (1, 7, 64):
        assert all((a == b).all() for a, b in zip(first, drawn(strata, sizes, 1, rows), strict=True))
    assert any((a != b).any() for a, b in zip(first, drawn(strata, sizes, 2), strict=True))


def test_every_pixel_of_a_stratum_is_drawn_equally_often() -> None:
    strata = np.zeros((4, 5), int)
    counts = sum(
        np.bincount(drawn(strata, np.array([5]), seed, rows=2)[0], minlength=20).astype(float) for seed in range(2000)
    )
    assert counts.sum() == 10_000
    assert abs(counts - 500).max() < 5 * np.sqrt(2000 * 0.25 * 0.75)


@pytest.mark.parametrize(
    ("pixels", "total", "expected"),
    [
        ([10**7, 10**7, 0, 5000], 1001, [451, 450, 0, 100]),
        ([3, 10**6, 90], 1000, [3, 897, 100 - 10]),
        ([10, 20], 1000, [10, 20]),
        ([10**6, 10**6, 10**6], 90, [30, 30, 30]),
        ([0, 0], 100, [0, 0]),
        ([1, 10**6], 20, [1, 19]),
    ],
)
def test_rare_groups_get_the_minimum_and_the_rest_is_in_proportion_to_area(
    pixels: list[int], total: int, expected: list[int]
) -> None:
    assert allocate_samples(np.array(pixels), total).tolist() == [pytest.approx(n, abs=11) for n in expected]
    assert allocate_samples(np.array(pixels), total).sum() == min(total, sum(pixels))


def test_about_95_of_100_intervals_contain_the_full_count() -> None:
    rng = np.random.default_rng(5)
    ours = rng.choice(3, (400, 500), p=(0.7, 0.25, 0.05))
    theirs = np.where(rng.random(ours.shape) < 0.75, ours, rng.choice(3, ours.shape))
    matrix = np.bincount((3 * ours + theirs).ravel(), minlength=9).reshape(3, 3)
    truth, sizes = count_all(matrix), allocate_samples(matrix.sum(axis=1), 800)
    seeds, held = 150, np.zeros(10)
    for seed in range(seeds):
        sampler = ReservoirSampler(3, 800, seed)
        sampler.offer(ours, theirs, 0)
        sample = np.array([np.bincount(part.values, minlength=3) for part in sampler.draw(sizes)])
        found = estimate_from_sample(sample, matrix.sum(axis=1))
        pairs = zip(
            (found.overall, *found.users, *found.producers, *found.areas),
            (truth.overall, *truth.users, *truth.producers, *truth.areas),
            strict=True,
        )
        held += [guess.interval[0] <= known.value <= guess.interval[1] for guess, known in pairs]
    assert (held / seeds > 0.90).all(), held / seeds
    assert 0.92 < held.mean() / seeds < 0.98
