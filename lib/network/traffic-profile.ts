/** What a network profile comes to for the endpoints of a group. Pure. */
import type { NetprofileConfig } from '../model/objects/netprofile.ts';
import { burstKilobitsOf, kilobitsOf } from '../model/objects/bandwidth.ts';
import type { TrafficProfile, Way } from './world.ts';

/** The profile of a group's endpoints; undefined for one that says nothing. */
export function trafficProfile(
  config: NetprofileConfig,
  groupNumber: number,
): TrafficProfile | undefined {
  const out = wayOf(config.bandwidth, config.burst, config.DSCP);
  const into = wayOf(config.bandwidthIn, config.burstIn, config.DSCPIn);
  if (out === undefined && into === undefined) return undefined;
  return {
    key: `${config.tenantName}:${config.profileName}`,
    out,
    in: into,
    sharedBy: config.sharing === 'group' ? groupNumber : undefined,
  };
}

function wayOf(bandwidth: string, burst: number, dscp: number): Way | undefined {
  const rate = kilobitsOf(bandwidth);
  if (rate === undefined && dscp === 0) return undefined;
  return {
    limit: rate === undefined ? undefined : { rate, burst: burstKilobitsOf(burst, rate) },
    dscp: dscp === 0 ? undefined : dscp,
  };
}

/** Whether a profile limits anything; marks need nothing of a switch that it may lack. */
export const profileLimits = (profile: TrafficProfile): boolean =>
  profile.out?.limit !== undefined || profile.in?.limit !== undefined;

/** A profile for a switch that cannot limit: its marks. */
export const withoutLimits = (profile: TrafficProfile): TrafficProfile => ({
  ...profile,
  out: profile.out && { ...profile.out, limit: undefined },
  in: profile.in && { ...profile.in, limit: undefined },
});
