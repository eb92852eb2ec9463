/** `fairlead status`: what is wrong on this host now, thin, through the agent's API. */
import type { Condition } from '../conditions.ts';
import { apiClient } from './api-client.ts';
import { outputOptions, type OutputOptions } from './cluster-options.ts';
import type { CommandRow } from './command.ts';
import { readOptions, rowsOf } from './option.ts';

interface HealthAnswer {
  readonly node: string;
  readonly conditions: readonly Condition[];
}

/** What is wrong as a person reads it. */
export function healthText({ node, conditions }: HealthAnswer): string {
  if (conditions.length === 0) return `${node}: nothing is wrong\n`;
  const lines = conditions.map(
    ({ code, severity, touchesTraffic, since, message }) =>
      `! ${code} (${severity}${touchesTraffic ? ', touches traffic' : ''}, since ${since}): ${message}\n`,
  );
  return `${node}:\n${lines.join('')}`;
}

/** The command. */
export const statusCommand: CommandRow = {
  name: 'status',
  summary: 'say what is wrong on this host now: the conditions of its agent',
  notes: `Each condition goes when it is put right. Of the cluster: fairlead cluster status.

Examples:
  fairlead status
  fairlead status -o json`,
  options: rowsOf(outputOptions),
  async run({ sources, writeOut }) {
    const { apiSocket, output } = readOptions<OutputOptions>(outputOptions, sources);
    const answer = await apiClient(apiSocket).ask({ method: 'GET', path: '/v1/health' });
    const text = output === 'json' ? `${JSON.stringify(answer)}\n` : undefined;
    writeOut(text ?? healthText(answer as HealthAnswer));
  },
};
