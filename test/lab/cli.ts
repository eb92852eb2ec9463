/**
 * The lab for a person: `npm run lab -- up 2`, or `npm run lab -- up --hosts 3` for a site with agents. What is built stays when the command ends; `down` in
 * any later command removes it.
 */
import { existsSync } from 'node:fs';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { daemons, type LabHost } from './host.ts';
import { outsideAddress } from './namespaces.ts';
import { openLab, type Lab } from './lab.ts';
import { exitCodeOf } from './processes.ts';
import { addSiteCommands, addSiteOptions, describeSite, siteOf } from './site/commands.ts';
import type { SiteOptions } from './site/commands.ts';
import { agentForms, binaryPath, startAgent, type AgentForm } from '../support/agent-process.ts';
import { SiteAgents } from '../support/site-agents.ts';

const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

const program = new Command('lab')
  .description('hosts with real Docker and Open vSwitch in namespaces on this machine (root)')
  .option('--prefix <word>', 'tells labs apart: 1 to 12 of a-z, 0-9', 'lab')
  .option('--directory <path>', 'where its state lives (default: flab-PREFIX in the temp folder)')
  .enablePositionalOptions()
  .exitOverride();

function lab(): Lab {
  const { prefix, directory } = program.opts<{ prefix: string; directory?: string }>();
  return openLab(directory === undefined ? { prefix } : { prefix, directory });
}

function say(line: string): void {
  process.stderr.write(`lab: ${line}\n`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function hostCount(text: string): number {
  if (!/^[1-9]\d?$/.test(text)) throw new InvalidArgumentError('a number from 1 to 99.');
  return Number(text);
}

interface UpCommand extends SiteOptions {
  readonly keep: boolean;
  readonly agents: AgentForm | 'none' | undefined;
}

const up = program
  .command('up')
  .argument('[hosts]', 'how many plain hosts, each with one NIC', hostCount, 1)
  .option('--keep', 'leave a half-built lab for inspection when it fails or is interrupted', false)
  .description('build a lab; installs what it needs from Debian')
  .addOption(
    new Option('--agents <form>', 'agents of a site, joined to one cluster').choices([
      ...agentForms,
      'none',
    ]),
  );
addSiteOptions(up, hostCount).action(async (plain: number, options: UpCommand) => {
  const interrupted = new AbortController();
  for (const signal of stopSignals) {
    process.on(signal, () => {
      process.exitCode = exitCodeOf(signal);
      interrupted.abort(new Error(`${signal}: interrupted`));
    });
  }
  const target = lab();
  // a lab that was there before is not ours to remove
  if (target.hosts.length > 0) {
    throw new Error(`the lab in ${target.directory} is up already: take it down first`);
  }
  const site = siteOf(options);
  const startedMs = performance.now();
  try {
    const { signal } = interrupted;
    const hosts = options.hosts ?? plain;
    await target.up(hosts, { signal, progress: say, ...(site === undefined ? {} : { site }) });
    signal.throwIfAborted();
    if (site !== undefined) await startAgents(target.hosts, options.agents);
    signal.throwIfAborted();
  } catch (error) {
    if (options.keep) say(`left as it is in ${target.directory}`);
    else await target.down();
    throw error;
  }
  say(`up in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
  printStatus(target);
});

async function startAgents(
  hosts: readonly LabHost[],
  wanted: AgentForm | 'none' | undefined,
): Promise<void> {
  if (wanted === 'none') return;
  await SiteAgents.start(hosts, { form: wanted ?? usualForm(), progress: say });
}

/** The single file where it has been built, the sources otherwise. */
function usualForm(): AgentForm {
  return existsSync(binaryPath) ? 'binary' : 'node';
}

program
  .command('down')
  .description('end and remove everything of the lab; harmless when there is none')
  .action(() => lab().down());

program
  .command('status')
  .description('where the sockets are and which daemons run')
  .action(() => printStatus(lab()));

program
  .command('env')
  .argument('<host>', 'h1, or 1')
  .description('variables for a shell: eval "$(npm run -s lab -- env h1)"')
  .action((name: string) => {
    const host = lab().host(name);
    const variables = { ...host.place.environment, ...host.agentEnvironment() };
    for (const [key, value] of Object.entries(variables)) print(`export ${key}='${value}'`);
  });

program
  .command('exec')
  .argument('<host>', 'h1, or 1')
  .argument('<command...>', 'command with its arguments')
  .option('--inside', "with the engine's view of the files (/run/docker)", false)
  .passThroughOptions()
  .description("run a command in a host's network, with the variables of `env`")
  .action(async (name: string, command: string[], { inside }: { inside: boolean }) => {
    const host = lab().host(name);
    const env = host.agentEnvironment();
    ignoreInterrupts();
    const outcome = await host.exec(command, { env, terminal: 'inherit', insideMounts: inside });
    process.exitCode = outcome.code;
  });

program
  .command('docker')
  .argument('<host>', 'h1, or 1')
  .argument('[args...]', "docker's own arguments")
  .passThroughOptions()
  .description("the docker command against a host's engine; the image to run is fairlead/box")
  .action(async (name: string, args: string[]) => {
    const host = lab().host(name);
    // the image is there when somebody asks for it
    if (args.includes('run') || args.includes('create')) await host.image();
    ignoreInterrupts();
    process.exitCode = (await host.docker(args, { terminal: 'inherit' })).code;
  });

program
  .command('agent')
  .argument('<host>', 'h1, or 1')
  .addOption(new Option('--form <form>', 'how it is run').choices(agentForms))
  .description('start the agent of a host, which keeps what it knew; `kill PID` of status ends it')
  .action(async (name: string, { form }: { form?: AgentForm }) => {
    await startAgent(lab().host(name), form ?? usualForm());
  });

addSiteCommands(program, lab);

/** The command in the foreground gets the terminal's signals and decides what they mean. */
function ignoreInterrupts(): void {
  for (const signal of stopSignals) process.on(signal, () => {});
}

function printStatus(target: Lab): void {
  if (target.hosts.length === 0) {
    print(`no lab in ${target.directory}`);
    process.exitCode = 1;
    return;
  }
  print(`lab in ${target.directory}; ${outsideAddress} is outside of all hosts`);
  if (target.isSite) for (const line of describeSite(target)) print(line);
  for (const host of target.hosts) printHost(host);
}

function printHost(host: LabHost): void {
  print(`${host.name}  namespace ${host.namespace}  address ${host.address}`);
  print(`    docker   ${host.dockerSocket}`);
  print(`    plugins  ${host.pluginDirectory}`);
  print(`    ovsdb    ${host.ovsDb}`);
  const states = daemons.map((daemon) => `${daemon} ${host.daemon(daemon)?.pid ?? 'DOWN'}`);
  const agent = host.spawned('agent');
  const own = agent === undefined ? [] : [`agent ${agent.pid}`];
  print(`    ${[...states, ...own].join('  ')}`);
}

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // commander has said what is wrong; asking for help is no error
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  } else {
    say(error instanceof Error ? error.message : String(error));
    process.exitCode ||= 1;
  }
}
