/** The rooms of lib and which way imports run between them. */
import { posix } from 'node:path';
import type { Source } from './source.ts';

interface Room {
  readonly name: string;
  /** Folders (ending in /) and files; the longest that fits a file decides its room. */
  readonly paths: readonly string[];
}

/**
 * From the ground up. A file imports from its own room and from floors below, never from above, and not
 * from another room on its floor.
 */
export const floors: readonly (readonly Room[])[] = [
  [{ name: 'leaves', paths: ['lib/', 'lib/ip/'] }],
  [{ name: 'model', paths: ['lib/model/', 'lib/store/port.ts', 'lib/store/plan.ts'] }],
  [
    { name: 'policy', paths: ['lib/policy/'] },
    { name: 'services', paths: ['lib/services/'] },
    { name: 'names', paths: ['lib/names/'] },
  ],
  [
    { name: 'network', paths: ['lib/network/'] },
    { name: 'raft', paths: ['lib/store/raft/'] },
  ],
  [{ name: 'machine', paths: ['lib/store/machine/'] }],
  [{ name: 'driver', paths: ['lib/store/driver/'] }],
  [{ name: 'membership', paths: ['lib/store/membership/'] }],
  [{ name: 'openflow codec', paths: ['lib/datapath/openflow/codec/'] }],
  [{ name: 'pipeline', paths: ['lib/datapath/pipeline/'] }],
  [{ name: 'reconcile', paths: ['lib/datapath/reconcile/'] }],
  [{ name: 'runtime', paths: ['lib/runtime/'] }],
  [
    { name: 'store', paths: ['lib/store/'] },
    { name: 'datapath', paths: ['lib/datapath/'] },
    { name: 'docker', paths: ['lib/docker/'] },
    { name: 'bundle', paths: ['lib/bundle/'] },
  ],
  [{ name: 'host', paths: ['lib/host/'] }],
  [{ name: 'health', paths: ['lib/health/'] }],
  [
    { name: 'plugin', paths: ['lib/plugin/'] },
    { name: 'api', paths: ['lib/api/'] },
    { name: 'cli', paths: ['lib/cli/'] },
  ],
  [{ name: 'agent', paths: ['agent.ts'] }],
];

/** Files that take no part of a machine: no `node:` module, clock or chance. */
export const purePaths: readonly string[] = [
  'lib/assert.ts',
  'lib/errors.ts',
  'lib/fnv.ts',
  'lib/limits.ts',
  'lib/store/port.ts',
  'lib/store/plan.ts',
  'lib/store/raft/',
  'lib/store/machine/',
  'lib/store/driver/',
  'lib/store/membership/',
  'lib/model/',
  'lib/network/',
  'lib/policy/',
  'lib/services/',
  'lib/names/',
  'lib/datapath/openflow/codec/',
  'lib/datapath/reconcile/',
  'lib/datapath/pipeline/',
  'lib/cli/netctl/core/',
];

/** Whether a path is one of these files or lies in one of these folders. */
export function isIn(path: string, paths: readonly string[]): boolean {
  return paths.some((each) => (each.endsWith('/') ? path.startsWith(each) : path === each));
}

/** The room and floor of a file; undefined when it has none. */
export function roomOf(
  path: string,
): { readonly name: string; readonly floor: number } | undefined {
  const candidates = floors.flatMap((rooms, floor) =>
    rooms.flatMap(({ name, paths }) =>
      paths
        .filter((each) => fits(path, each))
        .map((each) => ({ name, floor, length: each.length })),
    ),
  );
  return candidates.toSorted((one, other) => other.length - one.length)[0];
}

/** lib/ itself is a room of files, not of the folders in it. */
function fits(path: string, place: string): boolean {
  return place === 'lib/' ? posix.dirname(path) === 'lib' : isIn(path, [place]);
}

/** Imports that run the wrong way, or to a place that is no room. */
export function wrongImports(source: Source): readonly string[] {
  const own = roomOf(source.path);
  if (own === undefined) return [`${source.path} is in no room of test/support/rooms.ts`];
  return relativeImports(source).flatMap((target) => {
    if (target === 'package.json') return [];
    const other = roomOf(target);
    const allowed = other !== undefined && (other.name === own.name || other.floor < own.floor);
    const where = other?.name ?? 'no room';
    return allowed ? [] : [`${source.path} (${own.name}) imports ${target} (${where})`];
  });
}

/** The files of ours that a file imports, below the root. */
export function relativeImports(source: Source): readonly string[] {
  return source.imports
    .filter(({ from }) => from.startsWith('.'))
    .map(({ from }) => posix.join(posix.dirname(source.path), from));
}

/** Circles of imports, each once, as paths. */
export function importCircles(sources: readonly Source[]): readonly string[] {
  const graph = new Map(sources.map((source) => [source.path, relativeImports(source)]));
  const circles: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const seen = trail.indexOf(path);
    if (seen >= 0) circles.push([...trail.slice(seen), path].join(' -> '));
    if (seen >= 0 || done.has(path)) return;
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  return circles;
}
