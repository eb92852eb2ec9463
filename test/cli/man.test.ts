/** Man pages have everything that the table of commands has, and nothing in them is taken for a request. */
import { expect, it } from 'vitest';
import { commandSet } from '../../lib/cli/commands.ts';
import { run } from './terminal.ts';

/** The text of a page without its requests, as a reader of man(7) sees it. */
const plain = (page: string): string =>
  page
    .replaceAll(/\\\[u([0-9A-F]{4,6})\]/g, (_, code: string) =>
      String.fromCodePoint(Number.parseInt(code, 16)),
    )
    .replaceAll('\\-', '-')
    .replaceAll('\\(dq', '"')
    .replaceAll('\\e', '\\')
    .replaceAll('\\&', '');

const requests = /^\.(?:TH|SH|SS|TP|PP|B|nf|fi)\b/;

it('one for all, and one for each command', async () => {
  const { out: all } = await run(['man']);
  for (const { name, summary, options } of commandSet.commands) {
    const { out, exitCode } = await run(['man', name.replaceAll(' ', '-')]);
    expect([name, exitCode]).toEqual([name, 0]);
    const title = `fairlead-${name.replaceAll(' ', '-')} - ${summary}`;
    expect(plain(out)).toContain(`.SH NAME\n${title}\n.SH SYNOPSIS\nfairlead ${name}`);
    for (const page of [out, all]) {
      for (const { flag, summary: of } of options) {
        expect(plain(page)).toContain(`--${flag}`);
        expect(plain(page)).toContain(of.slice(1));
      }
      for (const line of page.split('\n')) {
        expect(line).toMatch(/^[ -~]*$/);
        if (/^[.']/.test(line)) expect(line).toMatch(requests);
      }
    }
  }
});

it('not for what is no command', async () => {
  expect(await run(['man', 'toString'])).toMatchObject({ exitCode: 2, out: '' });
});
