"""Identities of training sets that are kept out of training, to choose epochs, thresholds and parameters on."""

from __future__ import annotations

# 100 of Market-1501's 751 training identities: numpy.random.default_rng(1501).choice(ids, 100, replace=False)
_MARKET1501 = """
    7 22 97 116 151 162 167 202 209 221 237 261 303 308 323 332 333 348 386 413
    415 421 427 429 468 480 482 494 500 509 513 519 537 564 570 571 588 628 635 642
    653 658 661 663 667 670 689 701 703 704 711 733 741 761 765 767 779 785 820 837
    848 883 930 942 961 982 990 992 1012 1038 1045 1049 1052 1066 1076 1097 1113 1123 1127 1138
    1142 1189 1193 1200 1201 1217 1231 1238 1244 1260 1263 1269 1313 1326 1343 1379 1392 1433 1466 1496
"""
MARKET1501 = frozenset(map(int, _MARKET1501.split()))

# 100 of the 743 identities of `cuhk03_part`: numpy.random.default_rng(303).choice(ids, 100, replace=False)
_CUHK03_PART = """
    4 6 12 15 17 19 20 22 25 34 36 47 70 78 91 95 105 112 121 131
    138 141 143 150 168 176 177 178 179 180 181 184 189 200 211 218 228 233 245 247
    264 265 269 286 299 308 319 320 338 345 360 364 373 408 409 411 414 417 418 424
    430 440 463 471 479 481 483 491 509 514 516 524 525 532 533 545 552 555 563 564
    569 572 573 588 590 597 599 616 624 630 641 643 644 653 659 683 712 713 725 735
"""
CUHK03_PART = frozenset(map(int, _CUHK03_PART.split()))

FIXED = {"market1501": MARKET1501, "cuhk03_part": CUHK03_PART}
"""Held-out identities by the name of the data set."""
