/** What queries are answered with, and which are let go. */
import { describe, expect, it } from 'vitest';
import { formatAddress, parseAddress, parseCidr } from '../../lib/ip/ip.ts';
import { answerCode, readQuery } from '../../lib/names/message.ts';
import type { TenantNames } from '../../lib/names/resolve.ts';
import { respond } from '../../lib/names/respond.ts';
import { optRecord, queryBytes, type QueryShape } from './query-bytes.ts';

const members = ['10.1.0.1', '10.1.0.2', '10.1.0.3'].map((text) => ({
  network: 'n',
  addresses: [parseAddress(text)],
}));
const names: TenantNames = {
  tenant: 't',
  service: () => undefined,
  group: (name) => (name === 'g' ? { networks: new Set(['n']), members } : undefined),
  containers: () => [],
  hasNetwork: () => false,
  nameOf: () => undefined,
  ownBlocks: () => [parseCidr('10.1.0.0/24')],
  wasKnown: () => false,
};
const answerTo = (name: string, shape: QueryShape = {}, turn = 0) =>
  respond(readQuery(queryBytes(name.split('.'), shape)), {
    names,
    network: 'n',
    domain: 'in',
    turn,
  });

describe('a query', () => {
  it('for what is not ours is let go, whatever else is wrong with it', () => {
    expect(answerTo('example.com')).toBeUndefined();
    expect(answerTo('example.com', { answers: 1, flags: 0x2800 })).toBeUndefined();
  });

  it.each([
    ['as it should be', 'g', {}, answerCode.good],
    ['for no name', 'x.in', {}, answerCode.noSuchName],
    ['for an address of nobody', '9.0.1.10.in-addr.arpa', { type: 12 }, answerCode.noSuchName],
    ['that is broken', 'g', { answers: 1 }, answerCode.formatError],
    ['that wants a change', 'x.in', { flags: 0x2800 }, answerCode.notImplemented],
    ['in a later EDNS', 'g', { additional: [optRecord(512, 1)] }, answerCode.badVersion],
  ])('%s has its answer', (_, name, shape, code) => {
    expect(answerTo(name, shape)?.code).toBe(code);
  });

  it('of another class has no records', () => {
    expect(answerTo('g', { class: 3 })).toMatchObject({ code: answerCode.good, records: [] });
    expect(answerTo('g', { class: 255 })?.records).toHaveLength(3);
  });

  it('is answered with all addresses, each time another one first', () => {
    const firsts = [0, 1, 2, 3].map((turn) => {
      const records = answerTo('g', {}, turn)?.records ?? [];
      const texts = records.map((one) =>
        one.kind === 'name' ? one.name : formatAddress(one.address),
      );
      expect(texts.toSorted()).toEqual(['10.1.0.1', '10.1.0.2', '10.1.0.3']);
      return texts[0];
    });
    expect(firsts).toEqual(['10.1.0.1', '10.1.0.2', '10.1.0.3', '10.1.0.1']);
  });
});
