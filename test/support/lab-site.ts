/** A site for a test file: built before its tests, taken down after them. */
import { afterAll, beforeAll } from 'vitest';
import type { LabHost } from '../lab/host.ts';
import { openLab, type Lab } from '../lab/lab.ts';
import type { SiteWish } from '../lab/site/plan.ts';
import type { Site } from '../lab/site/site.ts';

/** The lab, and what is in it once the tests run. */
export interface LabSite {
  readonly lab: Lab;
  readonly hosts: readonly LabHost[];
  readonly site: Site;
  /** The host called `h1`, or by its number. */
  readonly host: (name: string | number) => LabHost;
}

/** Says that the tests of this file need a site of so many hosts. */
export function labOfSite(hosts: number, wish: SiteWish = {}): LabSite {
  const lab = openLab();
  beforeAll(() => lab.up(hosts, { site: wish }));
  afterAll(() => lab.down());
  return {
    lab,
    get hosts() {
      return lab.hosts;
    },
    get site() {
      return lab.site;
    },
    host: (name) => lab.host(name),
  };
}
