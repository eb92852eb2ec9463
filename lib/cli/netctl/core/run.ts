/** Does what a command of the table says. */
import type { Action, CommandRow, Input, Surroundings, Table, Tools } from './command.ts';
import { usageError } from './command.ts';
import { indentedJson } from './go-text.ts';
import { textOf } from './netmaster.ts';
import type { KindName } from '../../../model/objects/kind.ts';
import type { JsonObject } from './shapes.ts';
import { tableLayout, tabulate } from './tabwriter.ts';

/**
 * Checks what was given, then asks the server.
 * @throws NetctlError
 */
export async function runCommand(
  row: CommandRow,
  given: { readonly input: Input; readonly wordCount: number },
  surroundings: Surroundings,
): Promise<void> {
  const { takes, check, action } = row;
  const { input, wordCount } = given;
  if (takes !== undefined) {
    const fits = takes.orMore === true ? wordCount >= takes.words : wordCount === takes.words;
    if (!fits) throw usageError(takes.otherwise, 'help');
  }
  check?.(input);
  await act(action, { ...surroundings, input });
}

async function act(action: Action, tools: Tools): Promise<void> {
  const { input, writeOut } = tools;
  switch (action.does) {
    case 'create': {
      const netmaster = await tools.netmaster();
      await netmaster.post(action.kind, action.object(input));
      if (action.after !== undefined) writeOut(action.after(input));
      return;
    }
    case 'remove': {
      if (action.before !== undefined) writeOut(action.before(input));
      const netmaster = await tools.netmaster();
      await netmaster.remove(action.kind, action.key(input));
      return;
    }
    case 'inspect': {
      const netmaster = await tools.netmaster();
      writeJson(tools, await netmaster.inspect(action.kind, action.key(input)));
      return;
    }
    case 'list':
      await list(action, tools);
      return;
    case 'run':
      await action.run(tools);
      return;
    case 'help':
  }
}

async function list(
  { kind, ofTenant, quiet, table }: Extract<Action, { does: 'list' }>,
  tools: Tools,
): Promise<void> {
  const { input } = tools;
  const objects = ofTenant ? await listOfTenant(kind, tools) : await listAll(kind, tools);
  if (input.isOn('json')) writeJson(tools, objects);
  else if (quiet !== undefined && input.isOn('quiet')) {
    tools.writeOut(objects.map((object) => `${textOf(object, quiet)}\n`).join(''));
  } else writeTable(tools, table, objects);
}

async function listAll(kind: KindName, tools: Tools): Promise<readonly JsonObject[]> {
  return (await tools.netmaster()).list(kind);
}

/** The tenant is asked for first, so that one that does not exist is no empty list. */
async function listOfTenant(kind: KindName, tools: Tools): Promise<readonly JsonObject[]> {
  const tenant = tenantOf(tools.input);
  const netmaster = await tools.netmaster();
  await netmaster.get('tenant', [tenant]);
  const objects = await netmaster.list(kind);
  if (tools.input.isOn('all')) return objects;
  return objects.filter((object) => textOf(object, 'tenantName') === tenant);
}

/** The tenant of a command; `service` has a flag without a default, which means the same. */
export function tenantOf(input: Input): string {
  return input.text('tenant') || 'default';
}

/** JSON as `-j` and `inspect` print it. */
export function writeJson({ writeOut }: Tools, value: unknown): void {
  writeOut(`${indentedJson(value)}\n`);
}

/** A table as `ls` prints it. */
export function writeTable(
  { writeOut }: Tools,
  { heads, row, layout = tableLayout }: Table,
  objects: readonly JsonObject[],
): void {
  const rows = objects.map((object) => `${row(object)}\n`).join('');
  writeOut(tabulate(`${heads}${rows}`, layout));
}
