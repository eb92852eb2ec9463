/**
 * A page of a list of objects. What it costs is what is on it and what was changed since the list was begun, however
 * long the list is: it is read from where the page before ended, as it was then, and nothing is kept in between. So
 * any host gives any page. Pure.
 */
import { apiPageObjectsMax } from '../../limits.ts';
import type { Config, KindName } from '../../model/objects/kind.ts';
import { describedKind } from '../../model/objects/kinds.ts';
import { objectKey, objectRange, type ObjectName } from '../../model/objects/object-keys.ts';
import type { Step } from '../../store/plan.ts';
import { settingsKey } from '../settings.ts';
import { isLeaving } from './leaving.ts';
import { showSettings, shownRow, type ShownRow } from './show.ts';

/** Where a page of a list begins: after an object, in the list as it was at a revision. */
export interface PagePlace {
  readonly revision: number;
  readonly after: ObjectName;
}

/** A page to read. */
export interface PageRequest {
  readonly kind: KindName;
  /** Objects of this tenant only. */
  readonly tenant?: string | undefined;
  /** Which of them are meant; all, without. */
  readonly isMeant?: ((config: Config) => boolean) | undefined;
  readonly limit: number;
  /** Without, it is the first page of the list as it is now. */
  readonly place?: PagePlace | undefined;
}

/** A page. */
export interface ObjectPage {
  /** What all pages of the list are of. */
  readonly revision: number;
  readonly objects: readonly ShownRow[];
  /** Where the next page begins, if there is one. */
  readonly next: PagePlace | undefined;
}

/** The page. Refused with STORE_COMPACTED when history does not go back to the revision of the list. */
export function* objectPage(request: PageRequest): Step<ObjectPage> {
  const { kind: kindName, tenant, isMeant, limit, place } = request;
  if (kindName === 'global') return yield* settingsPage(isMeant);
  const kind = describedKind(kindName);
  const range = objectRange(kindName, tenant === undefined ? [] : [tenant]);
  const objects: ShownRow[] = [];
  let revision = place?.revision;
  let start = place === undefined ? range.start : `${objectKey(place.after)}!`;
  // one more than the page says whether there is another
  const rowsAtOnce = isMeant === undefined ? limit + 1 : apiPageObjectsMax;
  for (let more = true; more && objects.length <= limit;) {
    const past = revision === undefined ? {} : { atRevision: revision };
    const found = yield { start, end: range.end, limit: rowsAtOnce, ...past };
    revision ??= found.revision;
    for (const row of found.rows) {
      if (isLeaving(kindName, row)) continue;
      const shown = shownRow(kind, row);
      if (isMeant?.(shown.config) ?? true) objects.push(shown);
      if (objects.length > limit) break;
    }
    const last = found.rows.at(-1);
    more = found.more && last !== undefined;
    if (last !== undefined) start = `${last.key}!`;
  }
  const whole = revision ?? 0;
  const last = objects.length > limit ? objects[limit - 1] : undefined;
  const next = last && { revision: whole, after: last.name };
  return { revision: whole, objects: objects.slice(0, limit), next };
}

function* settingsPage(isMeant: PageRequest['isMeant']): Step<ObjectPage> {
  const { revision } = yield { start: settingsKey };
  const settings = yield* showSettings();
  const objects = (isMeant?.(settings.config) ?? true) ? [settings] : [];
  return { revision, objects, next: undefined };
}
