/**
 * The program: reads the command line and wires the parts together. Nothing imports it.
 *
 * Parts that need native code are imported when the agent starts, not before: `fairlead version` then
 * works where native code cannot be loaded, and a failure to load becomes an error line.
 */
import type { AgentOptions } from './lib/cli/agent-options.ts';
import { main, processTerminal } from './lib/cli/main.ts';

async function runAgent(options: AgentOptions): Promise<void> {
  const { createLogger } = await import('./lib/log.ts');
  const log = createLogger({
    level: options.logLevel,
    format: options.logFormat,
    node: options.hostName,
  });
  log.info({ part: 'agent' }, 'nothing is wired yet');
}

process.exitCode = await main(process.argv.slice(2), processTerminal(), { agent: runAgent });
