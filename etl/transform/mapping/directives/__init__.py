"""Segment's directives, one file each: compiled, checked, linted and documented there. Pure.

Source of each: Segment's documentation of mappings, and the mapping kit of segmentio/action-destinations. On typed
columns a directive works whole where it can; on JSON values, cell by cell.

To add one, write its file with a ``DIRECTIVE`` and put it in the table.
"""

from __future__ import annotations

from etl.transform.mapping.directives import (
    array_path,
    case,
    exclude_when_null,
    flatten,
    if_,
    json_,
    liquid,
    literal,
    merge,
    path,
    replace,
    template,
    transform,
)

DIRECTIVES = {
    module.DIRECTIVE.name: module.DIRECTIVE
    for module in (
        path,
        template,
        literal,
        if_,
        case,
        replace,
        merge,
        transform,
        flatten,
        json_,
        array_path,
        liquid,
        exclude_when_null,
    )
}
