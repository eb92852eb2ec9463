/** Waiting for the flows of a container. */
import { describe, expect, it } from 'vitest';
import { FairleadError } from '../../lib/errors.ts';
import { whenPlaced } from '../../lib/host/when-placed.ts';

const waits = { absentMs: 1, slowMs: 60_000 };

/** A data plane that ends each wait as told: with the flows, or when there is no more patience. */
function setUp(answers: readonly ('has them' | 'never')[], isTaking: boolean) {
  const left = [...answers];
  const dataPlane = {
    attached: async (endpointId: string, signal: AbortSignal) => {
      if (left.shift() === 'has them') return;
      const { promise, resolve } = Promise.withResolvers<void>();
      signal.addEventListener('abort', () => resolve(), { once: true });
      if (!signal.aborted) await promise;
      throw new FairleadError('OVS_DOWN', `no flows of ${endpointId}`);
    },
  };
  return { placing: { dataPlane, flows: { isTaking } }, left };
}

const patient = new AbortController().signal;

describe('a container waits for its flows', () => {
  it('not at all when they are there', async () => {
    const { placing, left } = setUp(['has them', 'never'], true);
    await whenPlaced(placing, 'e1', patient, waits);
    expect(left).toEqual(['never']);
  });

  it('shortly when the bridge takes none', async () => {
    const { placing, left } = setUp(['never', 'has them'], false);
    await expect(whenPlaced(placing, 'e1', patient, waits)).rejects.toMatchObject({
      code: 'OVS_DOWN',
      message: 'no flows of e1',
    });
    expect(left).toEqual(['has them']);
  });

  it('longer when the bridge is only slow', async () => {
    const { placing, left } = setUp(['never', 'has them'], true);
    await whenPlaced(placing, 'e1', patient, waits);
    expect(left).toEqual([]);
  });

  it('not for ever', async () => {
    const { placing } = setUp(['never', 'never'], true);
    const short = { absentMs: 1, slowMs: 1 };
    await expect(whenPlaced(placing, 'e1', patient, short)).rejects.toThrow('no flows of e1');
  });

  it('no longer than its call lasts', async () => {
    const { placing, left } = setUp(['never', 'has them'], true);
    const ended = AbortSignal.abort(new Error('the call is over'));
    await expect(whenPlaced(placing, 'e1', ended, waits)).rejects.toThrow('no flows of e1');
    expect(left).toEqual(['has them']);
  });
});
