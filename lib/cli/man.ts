/** Man pages, made from the table of commands: man(7) as groff and mandoc read it. */
import { FairleadError } from '../errors.ts';
import type { CommandRow, CommandSet } from './command.ts';
import { variableOf, type OptionRow } from './option.ts';

/** The page of all commands, `fairlead(1)`; or that of one, whose words have hyphens between them. */
export function manPage({ commands }: CommandSet, page: string | undefined): string {
  if (page === undefined) {
    const sections = commands.map(
      (row) => `.SS ${quoted(synopsisOf(row))}\n${lines(sentence(row.summary))}${details(row)}`,
    );
    return `${head('fairlead', 'networks for containers on Docker hosts, made of Open vSwitch')}.SH SYNOPSIS
.B fairlead
COMMAND [options]
.SH COMMANDS
${sections.join('')}`;
  }
  const row = commands.find(({ name }) => name.replaceAll(' ', '-') === page);
  if (row === undefined) {
    throw new FairleadError('USAGE', `there is no page ${JSON.stringify(page.slice(0, 64))}`, {
      fix: 'see fairlead --help; the words of a command have hyphens between them: network-ls',
    });
  }
  return `${head(`fairlead-${page}`, row.summary)}.SH SYNOPSIS
${lines(synopsisOf(row))}.SH DESCRIPTION
${lines(sentence(row.summary))}${details(row)}`;
}

function head(name: string, summary: string): string {
  return `.TH ${quoted(name.toUpperCase())} 1 "" Fairlead
.SH NAME
${lines(`${name} - ${summary}`)}`;
}

function synopsisOf({ name, operands = [], options }: CommandRow): string {
  const words = operands.map((operand) => (operand.optional ? `[${operand.name}]` : operand.name));
  const more = options.length === 0 ? [] : ['[options]'];
  return ['fairlead', name, ...words, ...more].join(' ');
}

function details({ operands = [], options, notes }: CommandRow): string {
  const taken = operands.map(({ name, summary }) => item(name, summary));
  const flags = options.map((row) => item(flagText(row), optionText(row)));
  const more = notes === '' ? '' : `.PP\n.nf\n${lines(notes)}.fi\n`;
  return `${taken.join('')}${flags.join('')}${more}`;
}

const item = (name: string, text: string): string => `.TP\n${lines(name)}${lines(text)}`;

function flagText({ flag, short, placeholder }: OptionRow<unknown>): string {
  const value = placeholder === undefined ? '' : ` ${placeholder}`;
  return `${short === undefined ? '' : `-${short}, `}--${flag}${value}`;
}

function optionText(row: OptionRow<unknown>): string {
  const variable = variableOf(row);
  const from = variable === undefined ? '' : `, or ${variable}`;
  return `${sentence(row.summary)} Default: ${row.defaultShown}${from}.`;
}

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

/** Lines of text: nothing in them is a request, and a hyphen is one that can be copied. */
function lines(text: string): string {
  return text
    .split('\n')
    .map((line) => `${escaped(line).replace(/^(?=[.'])/, '\\&')}\n`)
    .join('');
}

/** Not every reader of pages takes more than ASCII as it is. */
function escaped(text: string): string {
  const code = (one: string): string =>
    `\\[u${(one.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}]`;
  const plain = text.replaceAll('\\', '\\e').replaceAll('-', '\\-');
  return plain.replaceAll(/[\u{80}-\u{10ffff}]/gu, code);
}

const quoted = (text: string): string => `"${escaped(text).replaceAll('"', '\\(dq')}"`;
