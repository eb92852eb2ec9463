/** Which group a container's labels choose, read plainly: the twin of `lib/policy/labelled-groups.ts`. */

/** A group as it is written. */
export interface WrittenGroup {
  readonly groupName: string;
  readonly networkName: string;
  readonly selectors: readonly string[];
}

/** The groups that ask for most among those that ask for nothing which the container does not have. */
export function plainAskers(
  groups: readonly WrittenGroup[],
  network: string,
  labels: Readonly<Record<string, string>>,
): readonly string[] {
  const has = (selector: string): boolean => {
    const [key = '', ...value] = selector.split('=');
    return Object.entries(labels).some(([own, said]) => own === key && said === value.join('='));
  };
  const askers = groups.filter(
    ({ networkName, selectors }) =>
      networkName === network && selectors.length > 0 && selectors.every(has),
  );
  const most = Math.max(...askers.map(({ selectors }) => selectors.length));
  return askers
    .filter(({ selectors }) => selectors.length === most)
    .map(({ groupName }) => groupName)
    .toSorted();
}

/** The group that it is in: with two it is in none. */
export function plainChoice(...of: Parameters<typeof plainAskers>): string | undefined {
  const [only, ...others] = plainAskers(...of);
  return others.length === 0 ? only : undefined;
}
