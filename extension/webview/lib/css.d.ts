/** Style sheets are bundled by the build; importing one is enough. */
declare module '*.css';
