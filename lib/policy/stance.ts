/**
 * What the containers of a group do where no rule fits, and whether what is denied is stopped. A group's own settings
 * come before its network's, and those before its tenant's. Containers in no group are a group of their network's own.
 */
import { segmentNumberMax } from '../limits.ts';
import type { PolicySettings } from '../model/objects/policy-settings.ts';
import type { Direction, Verdict } from './compile.ts';

/** Who said what is done where no rule fits; `nobody` where it is Contiv's default. */
export type StancePlace = 'group' | 'network' | 'tenant' | 'nobody';

/** What is done where no rule fits, by direction, and with what is denied. */
export interface Stance extends Readonly<Record<Direction, Verdict>> {
  readonly place: StancePlace;
  /** What is denied, by a rule or without, passes and is counted. */
  readonly isAudited: boolean;
}

/** What Contiv did: allow, and enforce what rules deny. */
export const plainStance: Stance = { in: 'allow', out: 'allow', place: 'nobody', isAudited: false };

/** What settings come to. `group` is undefined for who is in no group. */
export function stanceOf(said: {
  readonly group: PolicySettings | undefined;
  readonly network: PolicySettings | undefined;
  readonly tenant: PolicySettings | undefined;
}): Stance {
  const places = ['group', 'network', 'tenant'] as const;
  const place = places.find((each) => (said[each]?.defaultAction ?? '') !== '');
  const action = place === undefined ? 'allow' : said[place]?.defaultAction;
  const enforcements = places.map((each) => said[each]?.enforcement ?? '');
  return {
    in: action === 'deny' || action === 'deny-in' ? 'deny' : 'allow',
    out: action === 'deny' || action === 'deny-out' ? 'deny' : 'allow',
    place: place ?? 'nobody',
    isAudited: enforcements.find((text) => text !== '') === 'audit',
  };
}

/** Whether a stance changes nothing. */
export const isPlain = ({ in: into, out, isAudited }: Stance): boolean =>
  into === 'allow' && out === 'allow' && !isAudited;

/** The number of the group that who is in a network and in no group is in; no rule names it. */
export const bareGroupOf = (networkNumber: number): number => segmentNumberMax + 1 + networkNumber;
