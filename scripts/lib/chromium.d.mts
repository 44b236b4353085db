import type { Page } from 'playwright-core';

export function findOrInstallChromium(say: (text: string) => void): Promise<string>;
export function openBrowser(
  executablePath: string,
  size: { readonly width: number; readonly height: number; readonly scale?: number },
): Promise<{ readonly page: Page; close(): Promise<void> }>;
