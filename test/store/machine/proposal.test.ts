import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FairleadError } from '../../../lib/errors.ts';
import type { Proposal } from '../../../lib/store/machine/command.ts';
import { decodeProposal, encodeProposal } from '../../../lib/store/machine/proposal.ts';
import { randomStep } from './commands.ts';

const randomProposal: fc.Arbitrary<Proposal> = randomStep.map(({ command, session, wallMs }) =>
  session === undefined ? { command, wallMs } : { command, session, wallMs },
);

/** Whether the text is understood; anything but understanding or STORE_TOO_NEW is thrown. */
function isUnderstood(text: string): boolean {
  try {
    decodeProposal(text);
    return true;
  } catch (error) {
    if (error instanceof FairleadError && error.code === 'STORE_TOO_NEW') return false;
    throw error;
  }
}

/** Every object and array in a value. */
function parts(value: unknown): readonly object[] {
  if (typeof value !== 'object' || value === null) return [];
  return [value, ...Object.values(value).flatMap(parts)];
}

describe('a proposal', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(randomProposal, (proposal) => {
        expect(decodeProposal(encodeProposal(proposal))).toEqual(proposal);
      }),
    );
  });

  it('of any text is understood or stops the member, nothing else (hazard 37)', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(isUnderstood(text)).toBe(false);
      }),
    );
    const deep = `${'['.repeat(5_000)}${']'.repeat(5_000)}`;
    for (const text of ['', 'null', '[]', '{}', deep, '{"__proto__":{}}']) {
      expect(isUnderstood(text)).toBe(false);
    }
  });

  it('with a field too much or too little anywhere is not understood (hazard 37)', () => {
    fc.assert(
      fc.property(randomProposal, fc.nat(), (proposal, choice) => {
        const whole = JSON.parse(encodeProposal(proposal)) as object;
        const all = parts(whole).filter((part) => !Array.isArray(part));
        const part = all[choice % all.length] ?? whole;
        Object.assign(part, { further: 1 });
        expect(isUnderstood(JSON.stringify(whole))).toBe(false);
        Reflect.deleteProperty(part, 'further');
        expect(isUnderstood(JSON.stringify(whole))).toBe(true);
        const names = Object.keys(part);
        const name = names[choice % names.length] ?? '';
        Reflect.deleteProperty(part, name);
        // without a session a command about none is still one
        const mayLack = ['session', 'else', 'end', 'limit', 'lease', 'expired'].includes(name);
        if (!mayLack) expect(isUnderstood(JSON.stringify(whole))).toBe(false);
      }),
    );
  });

  it('with another value in a place is not understood unless it is of the same kind', () => {
    fc.assert(
      fc.property(randomProposal, fc.nat(), fc.constantFrom(null, true, 1.5, {}), (a, b, value) => {
        const whole = JSON.parse(encodeProposal(a)) as object;
        const places = parts(whole).flatMap((part) => Object.keys(part).map((at) => [part, at]));
        const [part, at] = places[b % places.length] as [Record<string, unknown>, string];
        part[at] = value;
        expect(isUnderstood(JSON.stringify(whole))).toBe(false);
      }),
    );
  });

  it('that could not be read back is not written', () => {
    const refused = expect.objectContaining({ code: 'STORE_LIMIT' });
    const session = { client: 'a'.repeat(32), sequence: 1, acknowledged: 0 };
    const renew = { do: 'renewLease', lease: '1' } as const;
    const wrong: readonly Proposal[] = [
      { command: { do: 'openSession' }, wallMs: 1 },
      { command: { do: 'closeSession' }, wallMs: 1 },
      { command: renew, wallMs: Number.NaN },
      { command: renew, wallMs: 1, session: { ...session, client: 'me' } },
      { command: renew, wallMs: 1, session: { ...session, acknowledged: 1 } },
      { command: renew, wallMs: 1, session: { ...session, sequence: 0 } },
      { command: { do: 'grantLease', lease: '1', ttlMs: 1.5 }, wallMs: 1 },
      {
        command: {
          do: 'txn',
          txn: { compare: [], then: [{ op: 'range', start: 'a', limit: Number.NaN }] },
        },
        wallMs: 1,
      },
    ];
    for (const proposal of wrong) expect(() => encodeProposal(proposal)).toThrow(refused);
  });

  it('takes the time of any clock, in whole milliseconds', () => {
    const command = { do: 'renewLease', lease: '1' } as const;
    for (const [wallMs, kept] of [
      [12.75, 12],
      [-3, 0],
    ] as const) {
      expect(decodeProposal(encodeProposal({ command, wallMs })).wallMs).toBe(kept);
    }
  });
});
