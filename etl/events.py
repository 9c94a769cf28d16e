"""The shapes of track events: layouts, paths, and which columns hold them; and the columns of the frames made.

Pure, and known to both sides: sources ask which columns to read, the transform asks which column holds a path.
"""

from __future__ import annotations

from typing import Literal

#: How a table of track events is laid out: ``segment`` = nested, camelCase, as Segment's API has it (``properties``
#: and ``context`` as struct, map or JSON text); ``warehouse`` = flat, snake_case, one column per property.
Layout = Literal["segment", "warehouse"]

#: A path into a track event: ``("properties", "jobId")`` for ``$.properties.jobId``. ``()`` is the whole event.
Path = tuple[str, ...]
