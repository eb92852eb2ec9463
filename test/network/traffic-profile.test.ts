/** Network profiles as what is done with the traffic of endpoints. */
import { describe, expect, it } from 'vitest';
import { netprofileKind, type NetprofileConfig } from '../../lib/model/objects/netprofile.ts';
import { readConfig } from '../../lib/model/objects/read-config.ts';
import { trafficProfile } from '../../lib/network/traffic-profile.ts';

const config = (given: object): NetprofileConfig =>
  readConfig(netprofileKind, 'default:p', {
    tenantName: 'default',
    profileName: 'p',
    ...given,
  }) as NetprofileConfig;

describe('a network profile', () => {
  it('is what Contiv limited: what the container sends', () => {
    expect(trafficProfile(config({ bandwidth: '20mbps', burst: 320, DSCP: 46 }), 7)).toEqual({
      key: 'default:p',
      out: { limit: { rate: 20_971, burst: 2_560 }, dscp: 46 },
      in: undefined,
      sharedBy: undefined,
    });
  });

  it('is also for what the container gets, by itself or with all of its group', () => {
    expect(trafficProfile(config({ bandwidthIn: '5m', DSCPIn: 10, sharing: 'group' }), 7)).toEqual({
      key: 'default:p',
      out: undefined,
      in: { limit: { rate: 5_242, burst: 5_242 }, dscp: 10 },
      sharedBy: 7,
    });
  });

  it('may only mark', () => {
    expect(trafficProfile(config({ DSCP: 8, sharing: 'endpoint' }), 7)).toEqual({
      key: 'default:p',
      out: { limit: undefined, dscp: 8 },
      in: undefined,
      sharedBy: undefined,
    });
  });

  it('is nothing when it says nothing', () => {
    expect(trafficProfile(config({ burst: 80, sharing: 'group' }), 7)).toBeUndefined();
  });
});
