/**
 * Writes the documents that are made from tables in the code: `node .ci/docs.ts`. A test compares them with
 * the tables, so that neither can drift.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openApiDocument } from '../lib/api/objects/openapi.ts';
import { commandSet } from '../lib/cli/commands.ts';
import { variableOf, type OptionRow } from '../lib/cli/option.ts';
import type { CommandRow } from '../lib/cli/netctl/core/command.ts';
import { flagText, namesOf } from '../lib/cli/netctl/core/help.ts';
import { commandTable, families, globalFlags } from '../lib/cli/netctl/core/table.ts';
import { errorTable, treatmentOf, type ErrorCode } from '../lib/errors.ts';

/** A document: where it is, below the root, and what is in it. */
export interface GeneratedDocument {
  readonly path: string;
  readonly text: string;
}

/** Every generated document as it should be. */
export function generatedDocuments(): readonly GeneratedDocument[] {
  return [
    { path: 'docs/errors.md', text: errorsDocument() },
    { path: 'docs/commands.md', text: commandsDocument() },
    { path: 'docs/netctl.md', text: netctlDocument() },
    { path: 'docs/openapi.json', text: `${JSON.stringify(openApiDocument(), undefined, 2)}\n` },
  ];
}

const origin = (source: string) => `<!-- made from ${source} by npm run docs; do not edit -->`;

function errorsDocument(): string {
  const rows = (Object.keys(errorTable) as ErrorCode[]).map((code) => {
    const { httpStatus, exitCode, fix } = treatmentOf(code);
    return `| \`${code}\` | ${httpStatus} | ${exitCode} | ${cell(fix ?? 'the message says it')} |`;
  });
  return `# Errors

${origin('lib/errors.ts')}

Every refusal has a code word that never changes its meaning. Docker shows it in the error of a command, the
API in \`error.code\`, the command line in brackets, and the log in \`err.code\`.

| Code | HTTP status | Exit code | What to do |
| --- | --- | --- | --- |
${rows.join('\n')}
`;
}

function commandsDocument(): string {
  const sections = commandSet.commands.map(({ name, summary, notes, options, operands = [] }) => {
    const rows = options.map(
      (row) =>
        `| \`${optionText(row)}\` | ${variableCell(row)} | ${cell(row.defaultShown)} | ${cell(row.summary)} |`,
    );
    const words = operands.map((operand) =>
      operand.optional ? `[${operand.name}]` : operand.name,
    );
    const taken = operands.map((operand) => `- \`${operand.name}\`: ${operand.summary}`).join('\n');
    return `## ${['fairlead', name, ...words].join(' ')}

${summary.charAt(0).toUpperCase()}${summary.slice(1)}.
${taken === '' ? '' : `\n${taken}\n`}
| Flag | Variable | Default | Meaning |
| --- | --- | --- | --- |
${rows.join('\n')}
${notes === '' ? '' : `\n\`\`\`text\n${notes}\n\`\`\`\n`}`;
  });
  return `# Commands

${origin('lib/cli/commands.ts')}

A flag wins over its variable, a variable over the default; a variable that is set to nothing counts as not
set. A wrong value is one line on standard error and exit code 2, and nothing has been started.

${sections.join('\n')}`;
}

function optionText({ flag, short, placeholder }: OptionRow<unknown>): string {
  const value = placeholder === undefined ? '' : ` ${cell(placeholder)}`;
  return `${short === undefined ? '' : `-${short}, `}--${flag}${value}`;
}

function variableCell(row: OptionRow<unknown>): string {
  const variable = variableOf(row);
  return variable === undefined ? '' : `\`${variable}\``;
}

function netctlDocument(): string {
  const own = commandTable.filter(({ family }) => family === undefined);
  const sections = families.map((family) => {
    const rows = commandTable.filter((row) => row.family === family.name);
    return `### ${namesOf(family)}\n\n${upperFirst(family.usage)}.\n\n${netctlRows(rows)}`;
  });
  const before = readFileSync(join(import.meta.dirname, 'netctl.md'), 'utf8');
  return `# netctl

${origin('lib/cli/netctl/core/table.ts and .ci/netctl.md')}

${before.trim()}

## Commands

\`-t\` is \`--tenant\`, by default \`default\`; \`-a\` is \`--all\`, objects of all tenants; \`-j\` is \`--json\`; \`-q\` is \`--quiet\`,
names only. Flags stand before or behind the words of a command.

${netctlRows(own)}
${sections.join('\n')}
## Flags in front of the command

${globalFlags.map((flag) => `- \`${flagText(flag).trim()}\` or \`${flag.variable}\`: ${flag.usage}`).join('\n')}
`;
}

/** The flags that most commands share are said once, those that are a command's own below its table. */
const sharedFlags: ReadonlySet<string> = new Set(['tenant', 'all', 'json', 'quiet']);

function netctlRows(rows: readonly CommandRow[]): string {
  const lines = rows.map((row) => {
    const shared = row.flags.filter(({ names }) => sharedFlags.has(names[0]));
    const short = shared.map(({ names }) => `-${names[1]}`).join(' ');
    const words = [namesOf(row), row.words?.trim() ?? '', short].filter((part) => part !== '');
    return `| \`${words.join(' ')}\` | ${cell(row.usage)} |`;
  });
  const details = rows.flatMap((row) => {
    const flags = row.flags.filter(({ names }) => !sharedFlags.has(names[0]));
    const items = flags.map((flag) => `- \`${flagText(flag).trim()}\`: ${flag.usage}`);
    return items.length === 0 ? [] : [`\nFlags of \`${row.name}\`:\n\n${items.join('\n')}\n`];
  });
  return `| Command | What it does |\n| --- | --- |\n${lines.join('\n')}\n${details.join('')}`;
}

function upperFirst(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

if (import.meta.main) {
  for (const { path, text } of generatedDocuments()) {
    writeFileSync(join(import.meta.dirname, '..', path), text);
  }
}
