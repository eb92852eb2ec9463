/** `fairlead plugin …`: Fairlead as a managed plugin of Docker: its folder, whether that works, and what is run in it. */
import { createHash, randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import { checkPluginFolder } from '../bundle/plugin-check.ts';
import { pluginSocketFolder, pluginSocketName } from '../bundle/plugin-config.ts';
import type { PluginWay } from '../bundle/plugin-config.ts';
import { loadedLibraries, makePluginFolder } from '../bundle/plugin-folder.ts';
import { version } from '../version.ts';
import { agentOptionTable, readAgentOptions } from './agent-options.ts';
import type { CommandRow } from './command.ts';
import { contivSettings, contivVariables } from './contiv-variables.ts';
import { readOptions, rowsOf, variableOf, type OptionSources, type OptionTable } from './option.ts';
import { runTable, wayRow } from './plugin-options.ts';
import { selfTest } from './self-test.ts';

const folderTable: OptionTable<{ readonly way: PluginWay }> = {
  way: { ...wayRow, flag: 'way', hasVariable: false },
};

const ways: readonly PluginWay[] = ['shim', 'agent'];

/** Options that are the same for every plugin, since config.json says what is mounted where. */
const fixed: ReadonlySet<string> = new Set([
  'config',
  'data-dir',
  'run-dir',
  'plugin-socket',
  'plugin-name',
  'api-socket',
  'managed-socket',
  'ovs-db',
  'docker-host',
  'discovery-file',
]);

/** Variables that `docker plugin set` takes for a way. */
export function settableVariables(way: PluginWay): readonly string[] {
  const rows = way === 'shim' ? rowsOf(runTable) : rowsOf(agentOptionTable);
  const own = rows
    .filter(({ flag }) => !fixed.has(flag) && flag !== 'plugin-way' && flag !== 'agent-socket')
    .map((row) => variableOf(row))
    .filter((name) => name !== undefined);
  return [...own, ...contivVariables];
}

/** The commands of the group. */
export const pluginCommands: readonly CommandRow[] = [
  {
    name: 'plugin folder',
    summary: 'make the folder that docker plugin create takes',
    notes: `The program and the libraries that it needs on this host are in it, and nothing else of the host. Make a folder for
each name that you give: engines refuse a second plugin with the same files.

Examples:
  fairlead plugin folder /tmp/net && docker plugin create site/net:1 /tmp/net && docker plugin enable site/net:1
  fairlead plugin folder /tmp/net --way agent`,
    operands: [{ name: 'DIR', summary: 'folder to be made' }],
    options: rowsOf(folderTable),
    async run({ sources, writeOut }) {
      const { way } = readOptions(folderTable, sources);
      const folder = resolve(sources.operands['DIR'] ?? '');
      const folderId = randomBytes(6).toString('hex');
      await makeFolders(process.execPath, [{ folder, way, folderId }]);
      writeOut(`${folder}: docker plugin create NAME ${folder}\n`);
    },
  },
  {
    name: 'plugin check',
    summary: 'see whether a folder can become a plugin that works on this host',
    notes: `Names what engines answer with a timeout or a line about something else: a socket where they do not look, a path
that is too long, a library that is missing inside, a name that cannot be changed. Exit code 3 means that
something was found.`,
    operands: [{ name: 'DIR', summary: 'folder with config.json and rootfs' }],
    options: [],
    async run({ sources, writeOut }) {
      const folder = resolve(sources.operands['DIR'] ?? '');
      const faults = checkPluginFolder(folder, process.arch);
      for (const { what, fix } of faults) writeOut(`${what}: ${fix}\n`);
      if (faults.length > 0) return 3;
      writeOut(`${folder}: nothing is wrong\n`);
      return 0;
    },
  },
  {
    name: 'plugin run',
    summary: 'what a managed plugin runs; started by Docker',
    notes: `Answers at ${pluginSocketFolder}/${pluginSocketName}. Settings are variables: docker plugin set NAME
FAIRLEAD_LOG_LEVEL=debug, while the plugin is disabled; those of Contiv (CONTIV_…) mean the same here.`,
    options: rowsOf(runTable),
    async run({ sources, actions }) {
      const contiv = contivSettings(sources.environment);
      const environment = { ...sources.environment, ...contiv.environment };
      const options = readOptions(runTable, { ...sources, environment });
      if (options.way === 'agent')
        return actions.agent(readAgentOptions(agentSources(environment, sources)), contiv.notes);
      const moved = Object.keys(contiv.environment).filter((name) => name !== 'FAIRLEAD_LOG_LEVEL');
      const elsewhere = moved.map((name) => `${name} belongs to the agent of the host`);
      return actions.plugin(options, [...contiv.notes, ...elsewhere]);
    },
  },
];

/** The agent's own places, as config.json mounts them. */
function agentSources(
  environment: OptionSources['environment'],
  sources: OptionSources,
): OptionSources {
  const FAIRLEAD_PLUGIN_SOCKET = `${pluginSocketFolder}/${pluginSocketName}`;
  return { ...sources, flags: {}, environment: { ...environment, FAIRLEAD_PLUGIN_SOCKET } };
}

/** The folders of a release. */
export interface ReleaseFolders {
  /** Name of the release; the same gives the same folders. */
  readonly release: string;
  readonly program: string;
  /** Gets a folder for each way, named by it. */
  readonly folder: string;
}

/**
 * Makes a folder for each way, as a bundle has them.
 * @throws PLUGIN_FOLDER, and what the self-test refuses with
 */
export async function makeFoldersOf({ release, program, folder }: ReleaseFolders): Promise<void> {
  const idOf = (way: PluginWay): string =>
    createHash('sha256').update(`${release} ${way}`).digest('hex').slice(0, 12);
  await makeFolders(
    program,
    ways.map((way) => ({ folder: join(folder, way), way, folderId: idOf(way) })),
  );
}

interface FolderToMake {
  readonly folder: string;
  readonly way: PluginWay;
  readonly folderId: string;
}

/** Makes folders from a program for this machine and what this one has loaded. */
async function makeFolders(program: string, folders: readonly FolderToMake[]): Promise<void> {
  // loads all native code: what that needs is then open
  await selfTest();
  const libraries = loadedLibraries();
  for (const { folder, way, folderId } of folders) {
    const variables = settableVariables(way);
    makePluginFolder({ folder, program, libraries, way, version, folderId, variables });
  }
}
