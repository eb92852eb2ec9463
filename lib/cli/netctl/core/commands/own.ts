/** Commands without a family: `version` and `login`. */
import type { CommandRow, Tools, VersionFacts } from '../command.ts';
import { exitCodes, NetctlError } from '../ending.ts';
import { answered, parsed } from '../netmaster.ts';
import { tooMany } from './shared.ts';

/** They come first in help. */
export const ownCommands: readonly CommandRow[] = [
  {
    name: 'version',
    usage: 'show the versions of netctl and of the server',
    flags: [],
    takes: tooMany,
    action: { does: 'run', run: showVersion },
  },
  {
    name: 'login',
    usage: 'sign in to a server with https and keep the token it gives',
    flags: [],
    takes: tooMany,
    action: { does: 'run', run: login },
  },
];

async function showVersion(tools: Tools): Promise<void> {
  const request = { method: 'GET', path: '/version' } as const;
  const answer = await answered(tools.transport(), request, exitCodes.noVersion);
  if (answer.status !== 200) {
    tools.writeError(answer.body);
    throw new NetctlError(exitCodes.refused, `Status ${answer.status} in request response`);
  }
  const server = versionOf(parsed(answer.body, exitCodes.noVersion));
  tools.writeOut(
    `Client Version:\n${versionText(tools.clientVersion)}\nServer Version:\n${versionText(server)}`,
  );
}

function versionOf(value: unknown): VersionFacts {
  const given = Object(value) as Record<string, unknown>;
  const text = (name: keyof VersionFacts) => {
    const part = given[name] ?? '';
    if (typeof part === 'string') return part;
    throw new NetctlError(exitCodes.noVersion, `json: version.${name} is no text`);
  };
  return {
    Version: text('Version'),
    GitCommit: text('GitCommit'),
    BuildTime: text('BuildTime'),
  };
}

/** A version in three lines. */
export function versionText({ Version, GitCommit, BuildTime }: VersionFacts): string {
  return `Version: ${Version}\nGitCommit: ${GitCommit}\nBuildTime: ${BuildTime}\n`;
}

async function login(tools: Tools): Promise<void> {
  if (!tools.serverUrl.startsWith('https://')) {
    tools.writeOut('login requires a https auth_proxy URL\n');
    throw new NetctlError(exitCodes.refused, '', { showHelp: true });
  }
  const username = (await tools.askLine('Username: ')).trim();
  if (username === '') throw new NetctlError(exitCodes.refused, 'you must specify a username');
  const password = await tools.askSecret('Password: ');
  tools.writeOut('\n');
  const answer = await answered(
    tools.transport(),
    {
      method: 'POST',
      path: '/api/v1/auth_proxy/login/',
      body: JSON.stringify({ username, password }),
    },
    exitCodes.local,
  );
  if (answer.status === 200) {
    tools.writeOut('Login succeeded.\n');
    await tools.keepToken(answer.body);
    return;
  }
  if (answer.status === 401) tools.writeOut('Login failed: Bad username or password.\n');
  else {
    tools.writeOut(`Login failed: unexpected response code (${answer.status})\n\n`);
    tools.writeError(answer.body);
  }
  throw new NetctlError(exitCodes.refused, '');
}
