/** What a managed plugin is told, by the variables that its config.json has. */
import { agentSocketFolder, type PluginWay } from '../bundle/plugin-config.ts';
import type { LogFormat, LogLevel } from '../log.ts';
import { agentOptionTable } from './agent-options.ts';
import type { OptionTable } from './option.ts';
import { readOneOf, readSocketPath } from './reading.ts';

/** What a managed plugin was told. */
export interface PluginOptions {
  readonly way: PluginWay;
  readonly pluginScope: 'local' | 'global';
  /** Where the agent's `--managed-socket` is, as seen from inside. */
  readonly agentSocket: string;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

/** What the two ways are, in a row without its flag. */
export const wayRow = {
  placeholder: 'WAY',
  summary: 'shim (calls go to the agent of the host) or agent (the agent is inside)',
  defaultShown: 'shim',
  defaultText: 'shim',
  read: readOneOf(['shim', 'agent']),
} as const;

/** The options of `fairlead plugin run`. */
export const runTable: OptionTable<PluginOptions> = {
  way: { ...wayRow, flag: 'plugin-way' },
  pluginScope: { ...agentOptionTable.pluginScope, defaultShown: 'global', defaultText: 'global' },
  agentSocket: {
    flag: 'agent-socket',
    placeholder: 'PATH',
    summary: "the agent's --managed-socket, as seen from inside",
    defaultShown: `${agentSocketFolder}/plugin.sock`,
    defaultText: `${agentSocketFolder}/plugin.sock`,
    read: readSocketPath,
  },
  logLevel: agentOptionTable.logLevel,
  logFormat: agentOptionTable.logFormat,
};
