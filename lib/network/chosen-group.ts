/** The group that an attachment is in: that of its Docker network, or else the one that its labels choose. Pure. */
import type { Labels } from '../model/labels.ts';
import type { SiteEndpoint } from '../model/site.ts';
import { unchosen, type Choice, type LabelledGroups } from '../policy/labelled-groups.ts';

/** What groups ask for an attachment: none, for one that was attached to a group, or of which its host has not told. */
export function choiceOf(
  { group, container }: SiteEndpoint,
  choose: (labels: Labels) => Choice,
): Choice {
  return group === undefined && container !== undefined ? choose(container.labels) : unchosen;
}

/** The group of an attachment to a network; undefined for none. */
export const groupOfEndpoint = (
  endpoint: SiteEndpoint,
  network: string,
  groups: LabelledGroups,
): string | undefined =>
  endpoint.group ?? choiceOf(endpoint, (labels) => groups.choose(network, labels)).group;
