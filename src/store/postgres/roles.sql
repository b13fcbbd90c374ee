CREATE ROLE partnersam_owner LOGIN;
CREATE ROLE partnersam_worker LOGIN;
CREATE SCHEMA partnersam AUTHORIZATION partnersam_owner;
GRANT USAGE ON SCHEMA partnersam TO partnersam_worker;
ALTER DEFAULT PRIVILEGES FOR ROLE partnersam_owner IN SCHEMA partnersam
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO partnersam_worker;
