"""How far a share may be off."""

from statistics import NormalDist


def score_interval(share: float, n: float, *, level: float = 0.95) -> tuple[float, float]:
    """The score interval of a share of `n` > 0 trials, which may be a fraction where trials are alike (Wilson, JASA 1927).

    It stays within 0..1 and holds the share.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * ((share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5)
    # At 0 and at n the bound is exactly 0 or 1; rounding must not move it past the share itself.
    return min(max(0.0, middle - half), share), max(min(1.0, middle + half), share)
