"""Special functions of scipy: for compiled code the very functions behind `scipy.special`, so both
give the same bits; and for what is called now and then scipy's own, imported at the first call, for
to import it takes a third of a second.
"""

from schemas.compiled import External, compiled

_MODULE = "scipy.special.cython_special"
_NOT_OVERRIDDEN = 0  # by a Python method; Cython asks

_betaincc = External(_MODULE, "__pyx_fuse_0betaincc", 3)
_betaincinv = External(_MODULE, "__pyx_fuse_0betaincinv", 3)
_betaln = External(_MODULE, "betaln", 2)


@compiled
def betaincc(a: float, b: float, x: float) -> float:
    """The mass of Beta(a, b) above x; `scipy.special.betaincc`."""
    return _betaincc(a, b, x, _NOT_OVERRIDDEN)


@compiled
def betaincinv(a: float, b: float, y: float) -> float:
    """The x below which Beta(a, b) has the mass y; `scipy.special.betaincinv`."""
    return _betaincinv(a, b, y, _NOT_OVERRIDDEN)


@compiled
def betaln(a: float, b: float) -> float:
    """The logarithm of the beta function; `scipy.special.betaln`."""
    return _betaln(a, b, _NOT_OVERRIDDEN)


def beta_quantile(a: float, b: float, mass: float) -> float:
    """The x below which Beta(a, b) has this mass; `scipy.special.betaincinv`."""
    from scipy.special import betaincinv

    return float(betaincinv(a, b, mass))


def log_gamma(x: float) -> float:
    """The logarithm of the gamma function; `scipy.special.gammaln`."""
    from scipy.special import gammaln

    return float(gammaln(x))


def chi_square_limit(freedom: int, mass: float) -> float:
    """The x above which a chi-square of so many degrees of freedom has this mass;
    `scipy.special.chdtri`.
    """
    from scipy.special import chdtri

    return float(chdtri(freedom, mass))
