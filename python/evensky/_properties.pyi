"""Made by python/bindings/write_properties_stub.py from the core's table of statistics."""

import enum

__all__ = [
    "ERRORS",
    "IQRANGE",
    "MAD",
    "MAX",
    "MEAN",
    "MEANCLIP",
    "MEANSQUARE",
    "MEDIAN",
    "MIN",
    "NCLIPPED",
    "NMASKED",
    "NOTHING",
    "NPOINT",
    "ORMASK",
    "STDEV",
    "STDEVCLIP",
    "SUM",
    "VARIANCE",
    "VARIANCECLIP",
    "Property",
]

class Property(enum.IntFlag):
    NOTHING = 0x0
    ERRORS = 0x1
    NPOINT = 0x2
    MEAN = 0x4
    STDEV = 0x8
    VARIANCE = 0x10
    MEDIAN = 0x20
    IQRANGE = 0x40
    MEANCLIP = 0x80
    STDEVCLIP = 0x100
    VARIANCECLIP = 0x200
    MIN = 0x400
    MAX = 0x800
    SUM = 0x1000
    MEANSQUARE = 0x2000
    ORMASK = 0x4000
    NCLIPPED = 0x8000
    NMASKED = 0x10000
    MAD = 0x1000000

NOTHING: Property
ERRORS: Property
NPOINT: Property
MEAN: Property
STDEV: Property
VARIANCE: Property
MEDIAN: Property
IQRANGE: Property
MEANCLIP: Property
STDEVCLIP: Property
VARIANCECLIP: Property
MIN: Property
MAX: Property
SUM: Property
MEANSQUARE: Property
ORMASK: Property
NCLIPPED: Property
NMASKED: Property
MAD: Property
