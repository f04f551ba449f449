% The tests that Octave's zeromq package brings along, in the folder that TESTS names (Debian: octave-zeromq).
pkg load zeromq;
files = glob([getenv("TESTS") "/*.cc-tst"]);
for i = 1:numel(files)
  [passed, all] = test(files{i}, "quiet", "/dev/null");
  [~, name] = fileparts(files{i});
  printf("%s: %d of %d\n", name, passed, all);
end
