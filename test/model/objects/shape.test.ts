/** Objects in Contiv's JSON, and the keys of their rows. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KindName } from '../../../lib/model/objects/kind.ts';
import { describedKind, objectKinds } from '../../../lib/model/objects/kinds.ts';
import {
  guardKey,
  linkKey,
  linkRange,
  objectKey,
  objectOfKey,
  parseKey,
  parseLinkKey,
  type ObjectName,
} from '../../../lib/model/objects/object-keys.ts';
import { readConfig } from '../../../lib/model/objects/read-config.ts';
import { shapeOf } from '../../../lib/model/objects/shape.ts';

describe('an object', () => {
  it('has its key first, what was given, and links always', () => {
    const config = readConfig(objectKinds.endpointGroup, 'default:g', {
      tenantName: 'default',
      groupName: 'g',
      networkName: 'n',
      policies: ['p', 'p', 'q'],
    });
    const naming: readonly ObjectName[] = [{ kind: 'rule', parts: ['default', 'p', '1'] }];
    const shape = shapeOf(objectKinds.endpointGroup, config, naming);
    expect(JSON.stringify(shape)).toBe(
      JSON.stringify({
        key: 'default:g',
        groupName: 'g',
        networkName: 'n',
        policies: ['p', 'q'],
        tenantName: 'default',
        'link-sets': {
          MatchRules: { 'default:p:1': { type: 'rule', key: 'default:p:1' } },
          Policies: {
            'default:p': { type: 'policy', key: 'default:p' },
            'default:q': { type: 'policy', key: 'default:q' },
          },
        },
        links: {
          AppProfile: {},
          NetProfile: {},
          Network: { type: 'network', key: 'default:n' },
          Tenant: { type: 'tenant', key: 'default' },
        },
      }),
    );
  });

  it('of a kind without links has none', () => {
    const config = readConfig(objectKinds.Bgp, 'host1', { hostname: 'host1', as: '500' });
    expect(shapeOf(objectKinds.Bgp, config)).toEqual({
      key: 'host1',
      as: '500',
      hostname: 'host1',
    });
  });
});

describe('keys', () => {
  const part = fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => text.isWellFormed());
  const name: fc.Arbitrary<ObjectName> = fc
    .constantFrom<KindName>('tenant', 'network', 'rule', 'netprofile', 'endpointGroup', 'Bgp')
    .chain((kind) =>
      fc.record({
        kind: fc.constant(kind),
        parts: fc.tuple(...describedKind(kind).key.map(() => part)),
      }),
    );

  it('come back from the paths that they become', () => {
    fc.assert(
      fc.property(name, name, (one, other) => {
        expect(objectOfKey(one.kind, objectKey(one))).toEqual(one);
        const link = linkKey(one, other);
        expect(parseLinkKey(link)).toEqual({ named: one, naming: other });
        const range = linkRange(one, other.kind);
        expect(link >= range.start && link < range.end).toBe(true);
        expect(link).toMatch(/^[!-~]+$/);
        expect(guardKey(one)).toMatch(/^\//);
      }),
    );
  });

  it('of other kinds or lengths are none', () => {
    expect(parseKey(objectKinds.network, 'default')).toBeUndefined();
    expect(parseKey(objectKinds.network, ':n')).toBeUndefined();
    expect(parseKey(objectKinds.rule, 'default:p')).toBeUndefined();
    expect(parseKey(objectKinds.global, 'other')).toBeUndefined();
    expect(parseKey(objectKinds.netprofile, 'default:a:b')?.parts).toEqual(['default', 'a:b']);
  });
});
