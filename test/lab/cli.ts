/**
 * The lab for a person: `npm run lab -- up 2`. What is built stays when the command ends; `down` in
 * any later command removes it.
 */
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { daemons, type LabHost } from './host.ts';
import { outsideAddress } from './namespaces.ts';
import { openLab, type Lab } from './lab.ts';
import { exitCodeOf } from './processes.ts';

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

program
  .command('up')
  .argument('[hosts]', 'how many hosts', hostCount, 1)
  .option('--keep', 'leave a half-built lab for inspection when it fails or is interrupted', false)
  .description('build a lab; installs what it needs from Debian')
  .action(async (hosts: number, { keep }: { keep: boolean }) => {
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
    const startedMs = performance.now();
    try {
      await target.up(hosts, { signal: interrupted.signal, progress: say });
      interrupted.signal.throwIfAborted();
    } catch (error) {
      if (keep) say(`left as it is in ${target.directory}`);
      else await target.down();
      throw error;
    }
    say(`up in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
    printStatus(target);
  });

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
  for (const host of target.hosts) printHost(host);
}

function printHost(host: LabHost): void {
  print(`${host.name}  namespace ${host.namespace}  address ${host.address}`);
  print(`    docker   ${host.dockerSocket}`);
  print(`    plugins  ${host.pluginDirectory}`);
  print(`    ovsdb    ${host.ovsDb}`);
  const states = daemons.map((daemon) => `${daemon} ${host.daemon(daemon)?.pid ?? 'DOWN'}`);
  print(`    ${states.join('  ')}`);
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
