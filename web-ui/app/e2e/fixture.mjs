// The program that serves invented applications.
//
// SYNCLINE_FIXTURE   where it is
import { spawn } from 'node:child_process';

/** Starts it with a sample. Answers with the process, which the caller ends, and a one-time link. */
export async function serve(sample) {
  const fixture = process.env.SYNCLINE_FIXTURE;
  if (!fixture) throw new Error('SYNCLINE_FIXTURE must name the program of the fixture');
  const server = spawn(fixture, ['127.0.0.1:0', sample], { stdio: ['ignore', 'pipe', 'inherit'] });
  const link = await new Promise((resolve, reject) => {
    let text = '';
    server.stdout.on('data', (part) => {
      text += part;
      const end = text.indexOf('\n');
      if (end > 0) resolve(text.slice(0, end));
    });
    server.on('exit', (code) => reject(new Error(`the fixture ended with ${code}`)));
  });
  return { process: server, link };
}
