// Bundles each test with esbuild (Node 20 runs no TypeScript) and runs them with Node's own runner.
import { build } from 'esbuild';
import { spawnSync } from 'node:child_process';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const output = join(here, 'test-output', 'unit');
await rm(output, { recursive: true, force: true });
const tests = (await readdir(join(here, 'test'))).filter((file) => file.endsWith('.test.ts'));
await build({
  absWorkingDir: here,
  entryPoints: tests.map((file) => `test/${file}`),
  outdir: output,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
});
const files = tests.map((file) => join(output, file.replace(/\.ts$/, '.mjs')));
process.exit(spawnSync(process.execPath, ['--test', ...files], { stdio: 'inherit' }).status ?? 1);
