/** A lab of one host for a test file: built before its tests, taken down after them. */
import { afterAll, beforeAll } from 'vitest';
import type { LabHost } from '../lab/host.ts';
import { openLab, type Lab } from '../lab/lab.ts';

/** The lab, and its host once the tests run. */
export interface OneHost {
  readonly lab: Lab;
  readonly host: LabHost;
}

/** Says that the tests of this file need a host. */
export function labOfOneHost(): OneHost {
  const lab = openLab();
  let host: LabHost | undefined;
  beforeAll(async () => {
    [host] = await lab.up(1);
  });
  afterAll(() => lab.down());
  return {
    lab,
    get host() {
      if (host === undefined) throw new Error('the host is there only while tests run');
      return host;
    },
  };
}
