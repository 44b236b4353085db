/**
 * The attributes of a launch configuration, checked for their kind. Which values are allowed is the core's to say
 * (`Session.create`), so that the command line and the debugger accept the same.
 */

import { resolve } from 'node:path';
import type { SessionConfig } from '../../core/timeline/types.ts';
import { type RequestArguments, RequestError } from './arguments.ts';
import type { StopOnExit } from './debuggee.ts';

/** What a launch asks for: the run's configuration without the texts of its scripts, and how to debug it. */
export interface RunAttributes {
  readonly programs: readonly string[];
  readonly session: Omit<SessionConfig, 'programs' | 'host'>;
  readonly stopOnEntry: boolean;
  readonly stopOnExit: StopOnExit;
  readonly noDebug: boolean;
}

/** The attributes of a launch; what is wrong with one is shown to the user, who has written it. */
export function readLaunchAttributes(args: RequestArguments): RunAttributes {
  try {
    return readAttributes(args);
  } catch (error) {
    if (error instanceof RequestError) throw new RequestError(error.message, { showUser: true });
    throw error;
  }
}

function readAttributes(args: RequestArguments): RunAttributes {
  return {
    programs: readProgram(args),
    session: {
      includePaths: args.texts('includePath'),
      abi: args.optionalText('abi'),
      xen: args.optionalText('xen'),
      memory: readSize(args, 'memory'),
      machine: readSize(args, 'machine'),
      fault: args.optionalText('fault'),
      entry: args.optionalText('entry'),
      layout: args.optionalText('layout'),
      role: args.optionalText('role'),
      xenBuild: args.optionalText('xenBuild'),
      linearPageTables: args.all['linearPageTables'] === undefined ? true : args.flag('linearPageTables'),
      l1tf: args.optionalText('l1tf'),
      maxStatements: args.optionalInteger('maxStatements', 1),
      historyMemory: readSize(args, 'historyMemory'),
      stepIntoXen: args.all['stepIntoXen'] === undefined ? true : args.flag('stepIntoXen'),
      trace: false,
      journal: true,
    },
    // A debugger for learning: without a word about it, F5 stops where the script begins.
    stopOnEntry: args.all['stopOnEntry'] === undefined ? true : args.flag('stopOnEntry'),
    stopOnExit: args.optionalWord('stopOnExit', ['never', 'failure', 'always']) ?? 'never',
    noDebug: args.flag('noDebug'),
  };
}

function readProgram(args: RequestArguments): readonly string[] {
  const program = args.all['program'];
  const programs: unknown[] = Array.isArray(program) ? program : [program];
  const sound = programs.filter((path): path is string => typeof path === 'string' && path !== '');
  if (sound.length === 0 || sound.length !== programs.length) {
    throw new RequestError(
      'program: give the path of a guest script (*.guest.c), or a list of paths, one per domain.',
      {
        showUser: true,
      },
    );
  }
  return sound.map((path) => resolve(path));
}

function readSize(
  args: RequestArguments,
  name: 'memory' | 'machine' | 'historyMemory',
): string | number | undefined {
  const value = args.all[name];
  if (value === undefined || typeof value === 'string' || typeof value === 'number') return value;
  throw new RequestError(`${name}: give a size such as "16MiB" or a number of bytes.`, { showUser: true });
}
