/** `fairlead give-back`: what uninstalling asks for when the agent has stopped for good. */
import { systemClock } from '../clock.ts';
import { createLogger } from '../log.ts';
import { agentOptionTable } from './agent-options.ts';
import type { CommandRow } from './command.ts';
import { readOptions, rowsOf, type OptionTable } from './option.ts';

interface GiveBackOptions {
  readonly runDir: string;
  readonly ovsDbSocket: string;
}

const table: OptionTable<GiveBackOptions> = {
  runDir: agentOptionTable.runDir,
  ovsDbSocket: agentOptionTable.ovsDbSocket,
};

/** The command. */
export const giveBackCommand: CommandRow = {
  name: 'give-back',
  summary: 'put NICs, rules and settings of this host back as they were before Fairlead',
  notes: `For a host that Fairlead is removed from: install.sh uninstall --purge asks for it. An agent that stops leaves them as
they are, since containers go on. No agent may run. Bridges stay. Exit code 3 means that something is in the way,
and a line says what.

Examples:
  systemctl stop fairlead.socket fairlead.service && fairlead give-back`,
  options: rowsOf(table),
  async run({ sources, writeOut }) {
    const { runDir: runDirectory, ovsDbSocket: ovsdbPath } = readOptions(table, sources);
    const options = { level: 'warn', format: 'pretty', node: sources.hostName } as const;
    // to where errors go: what is written out is data
    const log = createLogger({ ...options, write: (line) => process.stderr.write(line) });
    const { giveBack } = await import('../host/give-back.ts');
    const problems = await giveBack({ ovsdbPath, runDirectory, clock: systemClock, log });
    for (const problem of problems) writeOut(`${problem}\n`);
    return problems.length === 0 ? 0 : 3;
  },
};
