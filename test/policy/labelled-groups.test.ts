/** Groups that choose containers by their labels, against a plain reading of what is written. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readRequirements } from '../../lib/model/labels.ts';
import { LabelledGroups, unchosen } from '../../lib/policy/labelled-groups.ts';
import { plainAskers, plainChoice, type WrittenGroup } from './plain-choice.ts';

const inGroups = ({ groupName: name, networkName: network, selectors }: WrittenGroup) => ({
  ...{ name, network },
  requirements: readRequirements(selectors),
});
function groupsOf(...written: readonly WrittenGroup[]): LabelledGroups {
  const groups = new LabelledGroups();
  for (const each of written) groups.add(inGroups(each));
  return groups;
}
const group = (groupName: string, ...selectors: readonly string[]): WrittenGroup => ({
  ...{ groupName, networkName: 'n', selectors },
});
const labels = { app: 'web', tier: 'front', release: 'a=b' };

describe('a group that asks for labels', () => {
  it('has a container that has all of them', () => {
    const groups = groupsOf(group('web', 'app=web', 'release=a=b'), group('db', 'app=db'));
    expect(groups.choose('n', labels)).toEqual({ group: 'web', tied: [] });
    expect(groups.choose('n', { app: 'db' })).toEqual({ group: 'db', tied: [] });
    expect(groups.choose('n', { app: 'web' })).toBe(unchosen);
    expect(groups.choose('m', labels)).toBe(unchosen);
  });

  it('is no label that every object has', () => {
    expect(groupsOf(group('web', 'constructor=x')).choose('n', {})).toBe(unchosen);
    expect(groupsOf(group('web', '__proto__=x')).choose('n', {})).toBe(unchosen);
  });

  it('has it before one that asks for less, whichever came first', () => {
    const [less, more] = [group('less', 'app=web'), group('more', 'tier=front', 'app=web')];
    for (const groups of [groupsOf(less, more), groupsOf(more, less)]) {
      expect(groups.choose('n', labels)).toEqual({ group: 'more', tied: [] });
    }
  });

  it('has nobody whom another asks for with as many labels, and neither has a third that asks for less', () => {
    const groups = groupsOf(
      group('b', 'app=web', 'release=a=b'),
      group('c', 'app=web'),
      group('a', 'app=web', 'tier=front'),
    );
    expect(groups.choose('n', labels)).toEqual({ group: undefined, tied: ['a', 'b'] });
    groups.remove(inGroups(group('b', 'app=web', 'release=a=b')));
    expect(groups.choose('n', labels)).toEqual({ group: 'a', tied: [] });
  });

  it('with no labels to ask for has nobody', () => {
    expect(groupsOf(group('all')).choose('n', labels)).toBe(unchosen);
  });
});

const texts = ['a=1', 'a=x=y', 'b=1', 'c=', 'c=='] as const;
const written = fc.record({
  groupName: fc.constantFrom('v', 'w', 'x', 'y', 'z'),
  networkName: fc.constantFrom('n', 'm'),
  selectors: fc.subarray([...texts], { maxLength: 3 }),
});
const drawnLabels: fc.Arbitrary<Record<string, string>> = fc.record(
  {
    a: fc.constantFrom('1', 'x=y', '2'),
    b: fc.constantFrom('1', '1', ''),
    c: fc.constantFrom('', '=', '1'),
    'a=x': fc.constant('y'),
  },
  { requiredKeys: ['b'] },
);

describe('any groups that come and go', () => {
  it('choose as a plain reading of them does, in whatever order they came', () => {
    let chosen = 0;
    let tied = 0;
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            written,
            fc.nat(3).map((chance) => chance > 0),
          ),
          {
            maxLength: 16,
            size: 'max',
          },
        ),
        fc.array(drawnLabels, { minLength: 1, maxLength: 6 }),
        (changes, containers) => {
          const groups = new LabelledGroups();
          const there = new Map<string, WrittenGroup>();
          for (const [one, isThere] of changes) {
            const before = there.get(one.groupName);
            if (before !== undefined) groups.remove(inGroups(before));
            there.delete(one.groupName);
            if (isThere) {
              there.set(one.groupName, one);
              groups.add(inGroups(one));
            }
          }
          const all = [...there.values()];
          for (const network of ['n', 'm']) {
            for (const has of containers) {
              const askers = plainAskers(all, network, has);
              const found = groups.choose(network, has);
              expect(found.group).toBe(plainChoice(all, network, has));
              expect(found.tied).toEqual(askers.length > 1 ? askers : []);
              chosen += found.group === undefined ? 0 : 1;
              tied += found.tied.length > 0 ? 1 : 0;
            }
          }
        },
      ),
      { numRuns: 2_500 },
    );
    expect(chosen).toBeGreaterThan(300);
    expect(tied).toBeGreaterThan(30);
  });
});
