"""Which guide tells each item's programmes, asked once for many items and remembered until a name or id changes.

This module refuses to match by itself: `catalog.guide_match` holds the rules.
"""

from collections.abc import Mapping, Sequence

from reconciler.catalog.guide_index import GuideIndex
from reconciler.catalog.guide_match import MatchInput, match
from reconciler.lineups.item import Item, guide_icon
from reconciler.lineups.model import GuideLink
from reconciler.spec.model import Guide, Spec

__all__ = ["Links"]


class Links:
    """The guides of a spec, ready to be matched. Guides that could not be had are left out."""

    def __init__(self, spec: Spec, guides: Mapping[str, GuideIndex]) -> None:
        self._guides: list[tuple[Guide, GuideIndex]] = [
            (guide, guides[name]) for name, guide in spec.guides.items() if name in guides
        ]
        self._channels = {guide.name: index.channels for guide, index in self._guides}
        # Names are costly to normalise, so they are told only to guides that match by name.
        self._by_name = any({"name", "fuzzy"} & set(guide.match) for guide, _ in self._guides)

    def ensure(self, items: Sequence[Item]) -> None:
        """Set `link` on every item, and on each merged member, that was not matched since its name or id changed."""
        if not self._guides:
            return
        asked: dict[str, Item] = {}
        for item in items:
            for part in (item, *item.members) if item.members else (item,):
                if not part.linked:
                    part.linked = True
                    part.link = None
                    if part.guide_id or self._by_name:
                        asked[part.id] = part
        if not asked:
            return
        if self._by_name:
            channels = [MatchInput(i.id, i.guide_id, i.name, i.entry.guide_name) for i in asked.values()]
        else:
            channels = [MatchInput(i.id, i.guide_id, "") for i in asked.values()]
        found = match(channels, self._guides)
        for id_, hit in found.items():
            asked[id_].link = GuideLink(hit.guide, hit.xmltv_id, hit.how, hit.confidence)
        for item in items:
            if item.link is None and item.members:
                item.link = next((p.link for p in item.members if p.link), None)

    def icon(self, link: GuideLink) -> str:
        """The picture that a guide has of its channel, as `guide_icon` lets it be used; "" without."""
        told = self._channels[link.guide].get(link.xmltv_id)
        return guide_icon(told.icon) if told else ""
